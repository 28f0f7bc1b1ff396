"""Having an uploaded file probed, by a process of its own that may use little and reach nothing."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from moocflix.platform.errors import Invalid, Unavailable, UnsupportedMedia
from moocflix.services.content.media.confine import Limits
from moocflix.services.content.media.findings import Bounds, Fault, Probe

_PROBE = "moocflix.services.content.media.probe"
_ANSWER: msgspec.json.Decoder[Probe | Fault] = msgspec.json.Decoder(Probe | Fault)
# A probe writes nothing; it reads a few frames.
_LIMITS = Limits(cpu_seconds=30, memory_bytes=2 * 1024**3, file_bytes=0, nice=5)
_SECONDS = 60
_WAIT_SECONDS = 30


class NotAVideo(UnsupportedMedia):
    """What the bytes are is nothing that we play."""


class VideoRefused(Invalid):
    """A video, but one that is damaged or beyond our bounds."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, field="file")


class ProbesBusy(Unavailable):
    """More uploads end at once than can be probed."""

    def __init__(self) -> None:
        super().__init__("Too many uploads are being checked; try again shortly.", retry_after=10)


class Examiner:
    """Probes files, a few at once."""

    def __init__(self, bounds: Bounds, *, at_once: int = 2) -> None:
        """`bounds` say what is taken at most."""
        self._bounds = bounds
        self._free = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn, and have it for as long as the block lasts. Raises ProbesBusy."""
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError as error:
            raise ProbesBusy from error
        try:
            yield
        finally:
            self._free.release()

    async def examine(self, path: Path) -> Probe:
        """What the file at this absolute path is; to be asked in one's turn. Raises NotAVideo or VideoRefused."""
        found = await _probed(path, self._bounds)
        if isinstance(found, Probe):
            return found
        raise NotAVideo(found.sentence) if found.kind == "unsupported" else VideoRefused(found.sentence)


async def _probed(path: Path, bounds: Bounds) -> Probe | Fault:
    command = _LIMITS.command(sys.executable, "-I", "-m", _PROBE, str(path), str(bounds.pixels), str(bounds.seconds))
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            output, _ = await process.communicate()
        return _ANSWER.decode(output)
    except TimeoutError:
        return Fault(kind="damaged", sentence="The video could not be checked in reasonable time.")
    except msgspec.DecodeError:
        # The probe met its limits or its end: so would a transcoder.
        return Fault(kind="damaged", sentence="The video could not be checked: decoding it does not come to an end.")
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
