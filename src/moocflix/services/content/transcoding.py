"""Our own transcoder: takes one request, works in a folder of its own, stores the output, answers once."""

import asyncio
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID

import structlog

from moocflix.contracts.content import TranscodingCompleted
from moocflix.platform.clock import utc_now
from moocflix.platform.errors import Unavailable
from moocflix.platform.failures import AWAY
from moocflix.platform.service import JobRun, ServiceContext
from moocflix.platform.storage.content_types import content_type_of
from moocflix.platform.storage.port import ObjectMissing, Storage
from moocflix.services.content.media.ffmpeg import FfmpegEnded, FfmpegFailed
from moocflix.services.content.media.transcoder import POSTER, Allowance, Transcoded
from moocflix.services.content.media.transcoder import transcode as make_renditions
from moocflix.services.content.parts import Parts
from moocflix.services.content.places import overlap, prefix_of
from moocflix.services.content.playback import sql as playback_sql
from moocflix.services.content.settings import ContentSettings
from moocflix.services.content.video import operations, sql
from moocflix.services.content.video.model import Video

ATTEMPTS = 5
_READ_BYTES = 1024 * 1024
_PROGRESS_SECONDS = 1.0
# Of the work, what ffmpeg does; the rest is storing.
_ENCODING = 0.9

_log = structlog.get_logger("moocflix.content")


class TranscoderBusy(Unavailable):
    """This worker has as many transcodings as it may run; the job is taken up again in a moment."""

    def __init__(self) -> None:
        super().__init__("The transcoder is busy.", retry_after=5)


class RequestGone(Exception):
    """The request was answered or its video deleted while we worked."""


async def transcode(run: JobRun, *, video_id: UUID, request_id: UUID) -> None:
    """Answer the request, unless it has its answer. What its tries have stored goes, but for what the answer names.

    Each try stores below a prefix of its own: another may be under way whose worker was only taken for dead. Raises
    TranscoderBusy, StorageAway or FfmpegEnded where another try may do better.
    """
    parts = run.context.part(Parts)
    if parts.transcoders.locked():
        raise TranscoderBusy
    async with parts.transcoders:
        with suppress(RequestGone):
            answer = await _answer(run, video_id=video_id, request_id=request_id)
            # Whoever has lost the job has lost the folder that it worked in, too: its failure would say nothing.
            await run.progress(1.0)
            async with run.context.database.transaction() as tx:
                await operations.answer_request(tx, answer=answer, now=utc_now(), ours=True)
        await _remove_other_tries(run.context, video_id=video_id, request_id=request_id)


def stale_folders(scratch: Path, *, seconds: int) -> list[Path]:
    """What workers that died have left in the scratch folder: all that is older than any transcoding may be."""
    oldest = time.time() - seconds
    return [path for path in scratch.iterdir() if path.is_dir() and path.stat().st_mtime < oldest]


async def _answer(run: JobRun, *, video_id: UUID, request_id: UUID) -> TranscodingCompleted:
    context = run.context
    async with context.database.transaction() as tx:
        locked = await sql.lock_video(tx, video_id=video_id)
        waited_for = locked and await sql.take_transcoding(tx, request_id=request_id, now=utc_now())
    video = await sql.video(context.database.reader, video_id=video_id) if waited_for else None
    if video is None:
        raise RequestGone
    try:
        return await _work(run, video, request_id)
    except FfmpegFailed as failed:
        _log.warning(
            "transcoding.failed", video=str(video_id), request=str(request_id), reason=str(failed), said=failed.said
        )
        return _failed(video, request_id, f"The video could not be transcoded: {failed}.")
    except ObjectMissing:
        return _failed(video, request_id, "The uploaded file is not there any more.")
    except FfmpegEnded as ended:
        if run.attempt < ATTEMPTS:
            raise
        return _failed(video, request_id, f"The video could not be transcoded in {ATTEMPTS} tries: {ended}.")


async def _remove_other_tries(context: ServiceContext, *, video_id: UUID, request_id: UUID) -> None:
    """Remove what was stored for a request that is answered or gone, except for what its answer names."""
    storage, all_tries = context.storage, prefix_of(video_id, request_id)
    kept = await playback_sql.prefix(context.database.reader, request_id=request_id)
    if kept is None:
        await storage.delete_prefix(all_tries)
        return
    names = {found.key.removeprefix(all_tries).partition("/")[0] async for found in storage.list(all_tries)}
    for prefix in (f"{all_tries}{name}/" for name in names):
        if not overlap(prefix, kept):
            await storage.delete_prefix(prefix)


async def _work(run: JobRun, video: Video, request_id: UUID) -> TranscodingCompleted:
    scratch, storage = run.context.part(Parts).scratch, run.context.storage
    async with _folder(scratch, request_id) as folder:
        output = folder / "out"
        output.mkdir()
        async with storage.local_copy(video.source_key, folder=folder) as source:
            made = await make_renditions(
                source,
                video.probe,
                output,
                allowance=_allowance(run.context),
                progress=_ProgressReport(run, request_id).tell,
            )
        prefix = f"{prefix_of(video.id, request_id)}{secrets.token_hex(4)}/"
        await _store(storage, output, prefix)
        return _ready(video, request_id, made, prefix)


class _ProgressReport:
    """Tells how far it has come, about once a second; raises RequestGone where nobody wants to know any more.

    While the database is away nobody is told: that is no reason to throw hours of work away.
    """

    def __init__(self, run: JobRun, request_id: UUID) -> None:
        self._run = run
        self._request_id = request_id
        self._next = 0.0

    async def tell(self, fraction: float) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _PROGRESS_SECONDS
        with suppress(*AWAY):
            await self._tell(fraction * _ENCODING)

    async def _tell(self, done: float) -> None:
        await self._run.progress(done)
        if not await sql.note_progress(self._run.context.database.reader, request_id=self._request_id, fraction=done):
            raise RequestGone


@asynccontextmanager
async def _folder(scratch: Path, request_id: UUID) -> AsyncIterator[Path]:
    """An empty folder for this try alone; what earlier tries of the request have left goes."""
    await asyncio.to_thread(_remove_like, scratch, f"{request_id}-*")
    folder = scratch / f"{request_id}-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _remove_like(scratch: Path, pattern: str) -> None:
    for left in scratch.glob(pattern):
        shutil.rmtree(left, ignore_errors=True)


async def _store(storage: Storage, output: Path, prefix: str) -> None:
    for path in await asyncio.to_thread(_files_below, output):
        name = path.relative_to(output).as_posix()
        # ffmpeg's own master has no tokens in it: ours is written when somebody watches.
        if name != "master.m3u8":
            await storage.put(f"{prefix}{name}", _pieces(path), content_type=content_type_of(name))


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, _READ_BYTES):
            yield piece


def _files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _allowance(context: ServiceContext) -> Allowance:
    settings = context.settings.of(ContentSettings)
    return Allowance(
        seconds=settings.transcode_seconds,
        memory_bytes=settings.transcode_memory,
        threads=settings.transcode_threads or os.cpu_count() or 1,
    )


def _ready(video: Video, request_id: UUID, made: Transcoded, prefix: str) -> TranscodingCompleted:
    return TranscodingCompleted(
        version=video.version,
        video_id=video.id,
        request_id=request_id,
        course_id=video.course_id,
        outcome="ready",
        duration=video.probe.duration,
        renditions=made.renditions,
        prefix=prefix,
        poster_key=f"{prefix}{POSTER}" if made.poster else None,
    )


def gave_up(video_id: UUID, *, course_id: UUID, request_id: UUID) -> TranscodingCompleted:
    """The answer to a request that nobody else will answer."""
    return TranscodingCompleted(
        version=0,
        video_id=video_id,
        request_id=request_id,
        course_id=course_id,
        outcome="failed",
        error="The transcoding was given up: nobody has answered the request.",
    )


def _failed(video: Video, request_id: UUID, reason: str) -> TranscodingCompleted:
    return TranscodingCompleted(
        version=video.version,
        video_id=video.id,
        request_id=request_id,
        course_id=video.course_id,
        outcome="failed",
        error=reason,
        duration=video.probe.duration,
    )
