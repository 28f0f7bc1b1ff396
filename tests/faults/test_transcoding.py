"""Kills during a transcoding, on a whole installation: it ends well all the same, and nothing is left behind."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from tests.factories.videos import VideoKind, VideoShelf
from tests.faults.platform_process import Up, until
from tests.faults.studio import Studio

# Long enough to be found in the middle of it.
LONG = VideoKind(width=640, height=360, seconds=4, noisy=True)
ANSWERS = "SELECT 1 FROM content.outbox WHERE topic = 'Transcoding-Completed' AND key = $1"


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return VideoShelf(tmp_path_factory.mktemp("videos")).content(LONG)


@pytest.mark.parametrize("name", ["ffmpeg", "worker", "server", "supervisor", "postmaster", "backend"])
def test_a_transcoding_outlives_the_kill_of_any_process(up: Up, content: bytes, name: str) -> None:
    studio = Studio(up)
    video_id = studio.upload(content, transcode=True)
    with held_encoder(up):
        up.kill(name)
        up.await_ready()
    told = progress_until_ready(studio, video_id)
    assert told == sorted(told)
    assert len({path.split("/")[0] for path in studio.stored(video_id) if path != "source"}) == 1
    assert len(studio.rows(ANSWERS, video_id)) == 1
    assert studio.scratch() == []
    assert plays(studio, video_id)


def test_a_video_deleted_while_it_is_transcoded_leaves_nothing(up: Up, content: bytes) -> None:
    studio = Studio(up)
    video_id = studio.upload(content, transcode=True)
    with held_encoder(up) as encoder:
        assert up.http.delete(f"/api/v1/content/{video_id}", headers=studio.headers).status_code == 200
    until(lambda: not encoder.is_running(), "ended")
    until(lambda: not studio.scratch() and not studio.stored(video_id), "clean")


@contextmanager
def held_encoder(up: Up) -> Iterator[psutil.Process]:
    """The ffmpeg that is at work, stopped in the middle of it for as long as this lasts."""
    encoder = up.process("ffmpeg")
    encoder.suspend()
    try:
        yield encoder
    finally:
        with suppress(psutil.NoSuchProcess):
            encoder.resume()


def progress_until_ready(studio: Studio, video_id: str) -> list[float]:
    """What is told of the progress, up to the end; a moment without the database is no end."""
    told: list[float] = []

    def ready() -> bool:
        answer = studio.get(f"/api/v1/content/{video_id}")
        if answer.status_code != 200:
            assert answer.status_code == 503, answer.text
            return False
        video = answer.json()["data"]
        assert video["status"] != "failed", video
        told.append(video["progress"])
        return bool(video["status"] == "ready")

    until(ready, "ready", seconds=120)
    return told


def plays(studio: Studio, video_id: str) -> bool:
    """Whether all that the playlists name is there."""
    master = studio.get(f"/api/v1/content/{video_id}/stream")
    variants = [master.url.join(line) for line in master.text.splitlines() if line and not line.startswith("#")]
    for variant in variants:
        playlist = studio.up.http.get(variant)
        segments = [line for line in playlist.text.splitlines() if line and not line.startswith("#")]
        if not segments or any(studio.up.http.get(playlist.url.join(name)).status_code != 200 for name in segments):
            return False
    return len(variants) > 1
