"""Running ffmpeg: confined, watched, and ended with whoever started it."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import imageio_ffmpeg

from moocflix.services.content.media.confine import Limits

_OPTIONS = ("-hide_banner", "-nostdin", "-y", "-loglevel", "error", "-progress", "pipe:1", "-stats_period", "0.5")
_LAST_BYTES = 2000


class FfmpegFailed(Exception):
    """ffmpeg gave up on this video, and would again; the text is for people, and names no place on this machine."""

    def __init__(self, why: str, *, said: str = "") -> None:
        """`said` is for the log: the last words of ffmpeg's own, in which there may be paths."""
        super().__init__(why)
        self.said = said


class FfmpegEnded(Exception):
    """ffmpeg was ended from outside, or had no room to write: another try may do better."""


Progress = Callable[[float], Awaitable[None]]


async def run_ffmpeg(
    arguments: list[str], *, limits: Limits, seconds: float, folder: Path, most_bytes: int, progress: Progress
) -> None:
    """Run it until it ends well. Raises FfmpegFailed, also when it takes longer or fills `folder` more than allowed.

    `progress` is told about twice a second how many seconds of the video are done.
    """
    process = await asyncio.create_subprocess_exec(
        *limits.command(imageio_ffmpeg.get_ffmpeg_exe(), *_OPTIONS, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        start_new_session=True,
    )
    said = asyncio.create_task(_last_words(_pipe(process.stderr)))
    try:
        async with asyncio.timeout(seconds):
            await _watch(_pipe(process.stdout), folder=folder, most_bytes=most_bytes, progress=progress)
            code = await process.wait()
        words = await said
    except TimeoutError as error:
        raise FfmpegFailed(f"the video took longer than the {seconds:.0f} seconds allowed") from error
    finally:
        await _end(process, said)
    _judge(code, words)


async def _watch(output: asyncio.StreamReader, *, folder: Path, most_bytes: int, progress: Progress) -> None:
    async for line in output:
        name, _, value = line.decode(errors="replace").strip().partition("=")
        if name == "out_time_us" and value.lstrip("-").isdigit():
            await progress(max(0, int(value)) / 1_000_000)
            if await asyncio.to_thread(_bytes_below, folder) > most_bytes:
                raise FfmpegFailed(f"the renditions grew past {most_bytes} bytes")


async def _last_words(errors: asyncio.StreamReader) -> str:
    kept = b""
    while piece := await errors.read(4096):
        kept = (kept + piece)[-_LAST_BYTES:]
    return kept.decode(errors="replace")


async def _end(process: asyncio.subprocess.Process, said: "asyncio.Task[str]") -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    said.cancel()


def _judge(code: int, words: str) -> None:
    if code == 0:
        return
    if code in {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 255}:
        raise FfmpegEnded("ffmpeg was ended from outside")
    if "No space left on device" in words:
        raise FfmpegEnded("the disk is full")
    raise FfmpegFailed(f"ffmpeg gave up on it with status {code}", said=words.strip())


def _bytes_below(folder: Path) -> int:
    total = 0
    for entry in os.scandir(folder):
        total += _bytes_below(Path(entry.path)) if entry.is_dir(follow_symlinks=False) else entry.stat().st_size
    return total


def _pipe(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    if stream is None:
        raise RuntimeError("the process was started without this pipe")
    return stream
