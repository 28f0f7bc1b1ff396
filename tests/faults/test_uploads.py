"""Kills in the middle of an upload, on a whole installation: half a video is never seen, and nothing of it stays."""

import http.client

import pytest

from tests.factories.videos import VideoKind, VideoShelf
from tests.faults.platform_process import Up, until
from tests.faults.studio import Studio

# More than any buffer on the way holds: half of it reaches the storage before the kill.
LARGE = VideoKind(width=1280, height=720, seconds=2, noisy=True)
UNDER_WAY = "SELECT id::text FROM content.uploads WHERE course_id = $1"
VIDEOS = "SELECT id::text FROM content.videos WHERE course_id = $1"


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return VideoShelf(tmp_path_factory.mktemp("videos")).content(LARGE)


@pytest.mark.parametrize("name", ["server", "server's worker", "supervisor"])
def test_an_upload_that_a_kill_cuts_off_is_never_seen_and_can_be_sent_again(up: Up, content: bytes, name: str) -> None:
    studio = Studio(up)
    upload = studio.begin_upload(content)
    lost = half_stored(studio)
    up.kill(name)
    up.await_ready()
    with pytest.raises((OSError, http.client.HTTPException)):
        upload.finish()
    assert studio.get(f"/api/v1/content/{lost}").status_code == 404
    assert studio.rows(VIDEOS, studio.course_id) == []

    again = studio.upload(content)
    assert studio.video(again)["status"] == "uploaded"
    pass_time(studio)
    until(lambda: not studio.rows(UNDER_WAY, studio.course_id) and not studio.stored(lost), "removed")
    assert studio.stored(again) == ["source"]


@pytest.mark.parametrize("name", ["worker", "postmaster", "backend"])
def test_an_upload_goes_on_over_a_kill_of_what_it_does_not_need_meanwhile(up: Up, content: bytes, name: str) -> None:
    studio = Studio(up)
    upload = studio.begin_upload(content)
    video_id = half_stored(studio)
    up.kill(name)
    until(lambda: studio.get(f"/api/v1/content/{video_id}").status_code == 404, "answering")
    assert upload.finish() == 201
    assert studio.video(video_id)["status"] == "uploaded"
    assert studio.rows(UNDER_WAY, studio.course_id) == []
    assert studio.stored(video_id) == ["source"]


def half_stored(studio: Studio) -> str:
    """The id of the upload that is under way, once some of it is stored."""
    until(lambda: any(studio.stored(row["id"]) for row in studio.rows(UNDER_WAY, studio.course_id)), "stored in part")
    (upload,) = studio.rows(UNDER_WAY, studio.course_id)
    return str(upload["id"])


def pass_time(studio: Studio) -> None:
    """As if the upload had been silent for an hour, and the timetable's next look at such were due."""
    studio.rows(
        "UPDATE content.uploads SET alive_at = alive_at - interval '1 hour' WHERE course_id = $1", studio.course_id
    )
    studio.rows("UPDATE content.schedules SET next_at = now() WHERE name = 'give-up-uploads'")
