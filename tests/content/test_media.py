"""Recognising, probing and transcoding, each on real files."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import psutil
import pytest

from moocflix.services.content.media import ffmpeg
from moocflix.services.content.media.confine import Limits
from moocflix.services.content.media.examination import Examiner, NotAVideo, VideoRefused
from moocflix.services.content.media.ffmpeg import FfmpegEnded, FfmpegFailed
from moocflix.services.content.media.findings import Bounds, Fault, Probe
from moocflix.services.content.media.ladder import ladder, poster_second
from moocflix.services.content.media.playlists import PlaylistBroken, renditions_in
from moocflix.services.content.media.probe import examine
from moocflix.services.content.media.transcoder import Allowance, Transcoded, transcode
from tests.factories.videos import QUARTERS, VideoKind, VideoShelf, seen

BOUNDS = Bounds(pixels=4096 * 4096, seconds=3600)
ALLOWANCE = Allowance(seconds=60, memory_bytes=2 * 1024**3, threads=2)
LONG = VideoKind(width=854, height=480, seconds=6, noisy=True)
LIMITS = Limits(cpu_seconds=30, memory_bytes=1024**3, file_bytes=1024**2)


async def nobody_asks(_fraction: float) -> None:
    return


def probed(path: Path) -> Probe:
    found = examine(path, BOUNDS)
    assert isinstance(found, Probe)
    return found


def transcoded(path: Path, folder: Path, *, allowance: Allowance = ALLOWANCE) -> Coroutine[None, None, Transcoded]:
    folder.mkdir()
    return transcode(path, probed(path), folder, allowance=allowance, progress=nobody_asks)


@pytest.mark.parametrize(
    ("kind", "demuxer", "content_type"),
    [
        (VideoKind(), "mov", "video/mp4"),
        (VideoKind(suffix="mov"), "mov", "video/quicktime"),
        (VideoKind(suffix="webm"), "matroska", "video/webm"),
        (VideoKind(suffix="mkv"), "matroska", "video/x-matroska"),
        (VideoKind(suffix="avi"), "avi", "video/x-msvideo"),
        (VideoKind(suffix="ts"), "mpegts", "video/mp2t"),
    ],
)
def test_a_video_is_told_by_its_bytes(videos: VideoShelf, kind: VideoKind, demuxer: str, content_type: str) -> None:
    probe = probed(videos.path(kind))
    assert (probe.demuxer, probe.content_type) == (demuxer, content_type)
    assert (probe.width, probe.height) == (320, 240)
    assert probe.duration == pytest.approx(2, abs=0.1)
    assert probe.audio_codec is not None


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_a_rotated_video_is_as_large_as_it_is_shown(videos: VideoShelf, rotation: int) -> None:
    probe = probed(videos.path(VideoKind(rotation=rotation)))
    assert probe.rotation == rotation % 360
    assert (probe.width, probe.height) == ((320, 240) if rotation == 180 else (240, 320))


def test_a_video_without_sound_has_none(videos: VideoShelf) -> None:
    probe = probed(videos.path(VideoKind(sound=False)))
    assert (probe.audio_index, probe.audio_codec) == (None, None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello\n" * 500,
        b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n",
        bytes(4096),
        b"ffconcat version 1.0\nfile /etc/passwd\n",
    ],
)
def test_what_is_no_video_is_not_opened_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    found = examine(path, BOUNDS)
    assert isinstance(found, Fault)
    assert found.kind == "unsupported"


@pytest.mark.parametrize("suffix", ["mp4", "webm", "mkv", "avi"])
@pytest.mark.parametrize("index_first", [False, True])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_truncated_video_is_incomplete(
    videos: VideoShelf, tmp_path: Path, suffix: str, *, index_first: bool, part: float
) -> None:
    content = videos.content(VideoKind(suffix=suffix, index_first=index_first and suffix == "mp4"))
    path = tmp_path / "cut"
    path.write_bytes(content[: int(len(content) * part)])
    found = examine(path, BOUNDS)
    assert isinstance(found, Fault)
    assert found.kind == "damaged"
    assert "incomplete" in found.sentence


@pytest.mark.parametrize(
    "start", [b"\0\0\0\x18ftypmp42", b"\x1a\x45\xdf\xa3", b"RIFF\0\0\0\0AVI ", b"FLV\x01", b"OggS"]
)
def test_a_good_beginning_does_not_make_a_video(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "video"
    path.write_bytes(start + bytes(range(256)) * 20)
    found = examine(path, BOUNDS)
    assert isinstance(found, Fault)


def test_a_browsers_recording_that_does_not_say_its_length_is_measured(videos: VideoShelf, tmp_path: Path) -> None:
    path = tmp_path / "recording.webm"
    source = videos.path(VideoKind(suffix="webm"))
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", str(source), "-c", "copy", "-f", "webm"]
    with path.open("wb") as file:
        # Into a pipe: the muxer cannot go back and write down how long it was.
        subprocess.run([*command, "-live", "1", "-"], stdout=file, check=True)
    assert probed(path).duration == pytest.approx(2, abs=0.1)


def test_a_video_beyond_the_bounds_is_not_taken(videos: VideoShelf) -> None:
    for bounds in (Bounds(pixels=320 * 239, seconds=9), Bounds(pixels=320 * 240, seconds=1)):
        found = examine(videos.path(), bounds)
        assert isinstance(found, Fault)
        assert found.kind == "too large"


async def test_the_probe_runs_in_a_process_of_its_own(videos: VideoShelf, tmp_path: Path) -> None:
    examiner = Examiner(BOUNDS)
    assert await examiner.examine(videos.path()) == probed(videos.path())
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(NotAVideo, match="not a video"):
        await examiner.examine(text)
    with pytest.raises(NotAVideo, match="no moving picture"):
        await examiner.examine(videos.path(VideoKind(picture=False)))
    text.write_bytes(videos.content()[:9000])
    with pytest.raises(VideoRefused, match="incomplete"):
        await examiner.examine(text)


def confined(limits: Limits, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(limits.command(sys.executable, "-c", script), capture_output=True, text=True, check=False)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's filter is Linux's")
def test_a_confined_process_has_no_network() -> None:
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        done = confined(LIMITS, f"import socket; socket.socket({int(family)})")
        assert "PermissionError" in done.stderr


def test_a_confined_process_is_limited_in_memory_time_and_files(tmp_path: Path) -> None:
    assert "MemoryError" in confined(LIMITS, "bytes(2 * 1024**3)").stderr
    assert confined(replace(LIMITS, cpu_seconds=1), "while True: pass").returncode == -signal.SIGXCPU
    target = str(tmp_path / "large")
    assert (
        "File too large"
        in confined(
            LIMITS,
            f"open({target!r}, 'wb', buffering=0).write(bytes(2**21)); open({target!r}, 'ab', buffering=0).write(b'x')",
        ).stderr
    )


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (1920, 1080, [(426, 240), (640, 360), (854, 480), (1280, 720), (1920, 1080)]),
        (1080, 1920, [(240, 426), (360, 640), (480, 854), (720, 1280), (1080, 1920)]),
        (640, 480, [(320, 240), (480, 360), (640, 480)]),
        (641, 361, [(426, 240), (640, 360)]),
        (320, 240, [(320, 240)]),
        (161, 121, [(160, 120)]),
        (1, 1, [(2, 2)]),
        (1920, 800, [(576, 240), (864, 360), (1152, 480), (1728, 720)]),
    ],
)
def test_the_ladder_stays_below_the_source_and_even(width: int, height: int, expected: list[tuple[int, int]]) -> None:
    assert [(rung.width, rung.height) for rung in ladder(width, height)] == expected


def test_a_poster_is_past_the_beginning_but_not_far_in() -> None:
    assert poster_second(4) == pytest.approx(0.4)
    assert poster_second(7200) == 10


@pytest.mark.parametrize(
    ("kind", "sizes", "colours"),
    [
        (VideoKind(width=640, height=360), {"240p": (426, 240), "360p": (640, 360)}, QUARTERS),
        (VideoKind(width=240, height=426), {"240p": (240, 426)}, QUARTERS),
        (VideoKind(rotation=90), {"240p": (240, 320)}, ("green", "white", "red", "blue")),
        (VideoKind(rotation=-90), {"240p": (240, 320)}, ("blue", "red", "white", "green")),
        (VideoKind(width=321, height=241), {"240p": (320, 240)}, QUARTERS),
        (VideoKind(width=101, height=75), {"74p": (100, 74)}, QUARTERS),
        (VideoKind(sound=False), {"240p": (320, 240)}, QUARTERS),
        (VideoKind(suffix="webm"), {"240p": (320, 240)}, QUARTERS),
    ],
)
async def test_each_rendition_shows_every_frame_upright(
    videos: VideoShelf, tmp_path: Path, kind: VideoKind, sizes: dict[str, tuple[int, int]], colours: tuple[str, ...]
) -> None:
    made = await transcoded(videos.path(kind), tmp_path / "out")
    assert {one.name: (one.width, one.height) for one in made.renditions} == sizes
    for one in made.renditions:
        found = seen(tmp_path / "out" / one.name / "index.m3u8")
        assert found.frames == kind.seconds * kind.rate
        assert (found.size, found.colours, found.sound) == (sizes[one.name], colours, kind.sound)
        assert one.codecs.startswith("avc1.")
        assert ("mp4a" in one.codecs) == kind.sound
        assert one.bandwidth > 0
    assert seen(tmp_path / "out" / "poster.jpg").colours == colours


async def test_segments_are_of_six_seconds_and_begin_together(videos: VideoShelf, tmp_path: Path) -> None:
    await transcoded(videos.path(VideoKind(width=640, height=360, seconds=14)), tmp_path / "out")
    lists = [(tmp_path / "out" / name / "index.m3u8").read_text().splitlines() for name in ("240p", "360p")]
    lengths = [[line for line in lines if line.startswith("#EXTINF")] for lines in lists]
    assert lengths[0] == ["#EXTINF:6.000000,", "#EXTINF:6.000000,", "#EXTINF:2.000000,"]
    assert lengths[0] == lengths[1]


async def test_a_container_that_cannot_be_entered_midway_still_gets_a_poster(
    videos: VideoShelf, tmp_path: Path
) -> None:
    made = await transcoded(videos.path(VideoKind(suffix="ts")), tmp_path / "out")
    assert made.poster
    assert (tmp_path / "out" / "poster.jpg").stat().st_size > 0


async def test_progress_rises_to_the_end(videos: VideoShelf, tmp_path: Path) -> None:
    told: list[float] = []

    async def tell(fraction: float) -> None:
        told.append(fraction)

    path = videos.path(VideoKind(seconds=14))
    (tmp_path / "out").mkdir()
    await transcode(path, probed(path), tmp_path / "out", allowance=ALLOWANCE, progress=tell)
    assert told == sorted(told)
    assert told[-1] > 0.95


async def test_a_transcoding_that_takes_too_long_fails_and_leaves_no_process(
    videos: VideoShelf, tmp_path: Path
) -> None:
    path = videos.path(LONG)
    with pytest.raises(FfmpegFailed, match="longer than"):
        await transcoded(path, tmp_path / "out", allowance=replace(ALLOWANCE, seconds=1))
    assert running_ffmpegs(os.getpid()) == []


async def test_output_that_grows_past_its_bounds_is_stopped(
    videos: VideoShelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moocflix.services.content.media.transcoder.largest_output", lambda _rungs, _duration: 1000)
    with pytest.raises(FfmpegFailed, match="grew past"):
        await transcoded(videos.path(LONG), tmp_path / "out")
    assert running_ffmpegs(os.getpid()) == []


async def test_memory_that_does_not_suffice_is_a_failure_not_a_crash(videos: VideoShelf, tmp_path: Path) -> None:
    with pytest.raises(FfmpegFailed):
        await transcoded(videos.path(), tmp_path / "out", allowance=replace(ALLOWANCE, memory_bytes=150 * 1024**2))


async def test_a_killed_ffmpeg_is_worth_another_try(videos: VideoShelf, tmp_path: Path) -> None:
    path = videos.path(LONG)
    work = asyncio.create_task(transcoded(path, tmp_path / "out"))
    (await ffmpeg_of(os.getpid())).kill()
    with pytest.raises(FfmpegEnded):
        await work


async def test_a_cancelled_transcoding_takes_its_ffmpeg_along(videos: VideoShelf, tmp_path: Path) -> None:
    path = videos.path(LONG)
    work = asyncio.create_task(transcoded(path, tmp_path / "out"))
    await ffmpeg_of(os.getpid())
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert running_ffmpegs(os.getpid()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the parent's death is told by Linux alone")
async def test_ffmpeg_dies_with_its_worker(videos: VideoShelf, tmp_path: Path) -> None:
    path = videos.path(LONG)
    (tmp_path / "out").mkdir()
    script = (
        "import asyncio, sys; from pathlib import Path; from tests.content.test_media import *\n"
        f"asyncio.run(transcode(Path({str(path)!r}), probed(Path({str(path)!r})), Path({str(tmp_path / 'out')!r}), "
        "allowance=ALLOWANCE, progress=nobody_asks))"
    )
    # Not through the event loop: its watcher would be told of the death first.
    worker = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[2])
    ffmpeg = await ffmpeg_of(worker.pid)
    worker.kill()
    worker.wait()
    # Whoever took it over may be slow to bury it.
    psutil.wait_procs([ffmpeg], timeout=5)
    assert not ffmpeg.is_running() or ffmpeg.status() == psutil.STATUS_ZOMBIE


def test_playlists_that_are_not_whole_are_noticed(tmp_path: Path) -> None:
    with pytest.raises(PlaylistBroken):
        renditions_in(tmp_path)
    (tmp_path / "master.m3u8").write_text("#EXTM3U\n")
    with pytest.raises(PlaylistBroken):
        renditions_in(tmp_path)
    stream = '#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=2x2,CODECS="avc1"\n240p/index.m3u8\n'
    (tmp_path / "master.m3u8").write_text(f"#EXTM3U\n{stream}")
    (tmp_path / "240p").mkdir()
    (tmp_path / "240p" / "index.m3u8").write_text("#EXTM3U\nseg_0.m4s\n")
    with pytest.raises(PlaylistBroken):
        renditions_in(tmp_path)


def test_a_full_disk_is_worth_another_try() -> None:
    with pytest.raises(FfmpegEnded, match="full"):
        ffmpeg._judge(1, "av_interleaved_write_frame(): No space left on device\n")  # noqa: SLF001 - no small disk at hand


def running_ffmpegs(parent: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(parent).children() if "ffmpeg" in child.name()]


async def ffmpeg_of(parent: int) -> psutil.Process:
    """The ffmpeg that this process has started, as soon as it has."""
    for _ in range(1000):
        if found := running_ffmpegs(parent):
            return found[0]
        await asyncio.sleep(0.02)
    pytest.fail("there was no ffmpeg")
