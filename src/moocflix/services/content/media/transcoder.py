"""A source file in, a folder of renditions and a poster out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from moocflix.contracts.content import Rendition
from moocflix.services.content.media.confine import Limits
from moocflix.services.content.media.ffmpeg import FfmpegFailed, run_ffmpeg
from moocflix.services.content.media.findings import Probe
from moocflix.services.content.media.ladder import (
    hls_arguments,
    ladder,
    largest_output,
    poster_arguments,
    poster_second,
)
from moocflix.services.content.media.playlists import PlaylistBroken, renditions_in

POSTER = "poster.jpg"
_POSTER_SECONDS = 60
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one transcoding may use."""

    seconds: int
    memory_bytes: int
    threads: int

    def limits(self) -> Limits:
        """The same as limits on a process. Time is of every thread there; no segment is anywhere near the file size."""
        return Limits(
            cpu_seconds=self.seconds * max(self.threads, 1) * 2,
            memory_bytes=self.memory_bytes,
            file_bytes=512 * _MEGABYTE,
        )


@dataclass(frozen=True, slots=True)
class Transcoded:
    """What was made in the folder; without a poster where no frame could be had for one."""

    renditions: list[Rendition]
    poster: bool


async def transcode(
    source: Path, probe: Probe, folder: Path, *, allowance: Allowance, progress: Callable[[float], Awaitable[None]]
) -> Transcoded:
    """Make the renditions in `folder`, which is empty. Raises FfmpegFailed or FfmpegEnded. `progress` gets 0..1."""

    async def done(seconds: float) -> None:
        await progress(min(seconds / probe.duration, 1.0))

    rungs = ladder(probe.width, probe.height)
    for rung in rungs:
        (folder / rung.name).mkdir()
    await run_ffmpeg(
        hls_arguments(source, probe, rungs, folder, threads=allowance.threads),
        limits=allowance.limits(),
        seconds=allowance.seconds,
        folder=folder,
        most_bytes=largest_output(rungs, probe.duration),
        progress=done,
    )
    try:
        renditions = renditions_in(folder)
    except PlaylistBroken as error:
        raise FfmpegFailed("its renditions are not whole", said=str(error)) from error
    return Transcoded(renditions=renditions, poster=await _poster(source, probe, folder, allowance))


async def _poster(source: Path, probe: Probe, folder: Path, allowance: Allowance) -> bool:
    # Some containers cannot be entered in the middle: their first frame will do.
    for second in (poster_second(probe.duration), 0.0):
        try:
            await run_ffmpeg(
                poster_arguments(source, probe, folder / POSTER, at=second),
                limits=allowance.limits(),
                seconds=_POSTER_SECONDS,
                folder=folder,
                most_bytes=largest_output([], probe.duration) + allowance.limits().file_bytes,
                progress=_ignore,
            )
        except FfmpegFailed:
            continue
        if (folder / POSTER).exists():
            return True
    return False


async def _ignore(_seconds: float) -> None:
    return
