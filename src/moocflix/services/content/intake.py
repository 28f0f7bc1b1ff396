"""Taking a file in: streamed into the store, probed, and kept, or removed without a trace."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID

import structlog

from moocflix.platform import jobs
from moocflix.platform.data_folder import MIN_FREE_BYTES
from moocflix.platform.database.transaction import Database
from moocflix.platform.errors import Invalid, Unavailable
from moocflix.platform.failures import HINDERED
from moocflix.platform.service import ServiceContext
from moocflix.platform.storage.content_types import UNKNOWN
from moocflix.platform.storage.port import Storage, StorageAway
from moocflix.services.content.media.containers import HEAD_BYTES, recognised
from moocflix.services.content.parts import Parts
from moocflix.services.content.places import REMOVE_OBJECTS, folder_of, source_key
from moocflix.services.content.settings import ContentSettings
from moocflix.services.content.upload import operations, sql
from moocflix.services.content.upload.model import Upload, UploadLost
from moocflix.services.content.upload.operations import SIGN_EVERY

_log = structlog.get_logger("moocflix.content")


@asynccontextmanager
async def received(
    context: ServiceContext,
    *,
    upload_id: UUID,
    course_id: UUID,
    user_id: UUID,
    file: AsyncIterator[bytes],
    announced: int,
) -> AsyncIterator[Upload]:
    """Store and probe the file; the upload for the caller to make a video of, in one transaction, within the block.

    Where the disk has no room for the bytes that were announced, none is taken. Where anything raises, in here or in
    the block, nothing stays. Raises StorageAway, TooManyUploads, what `file` does, and the refusals of an examination.
    No transaction is open while bytes come in.
    """
    database, storage, parts = context.database, context.storage, context.part(Parts)
    await asyncio.to_thread(_check_space, storage.disk(parts.scratch), announced)
    async with database.transaction() as tx:
        at_most = context.settings.of(ContentSettings).uploads_at_once
        await operations.begin(tx, upload_id=upload_id, course_id=course_id, user_id=user_id, at_most=at_most)
    alive = asyncio.create_task(_keep_alive(database, upload_id))
    key = source_key(upload_id)
    whole = False
    try:
        content_type, whole_file = await _recognised(file)
        await storage.put(key, whole_file, content_type=content_type)
        stored = await storage.head(key)
        if stored.size == 0:
            raise Invalid("The file is empty.", field="file")
        # In this order: there are no more copies than are probed at once.
        async with parts.examiner.turn(), storage.local_copy(key, folder=parts.scratch) as path:
            probe = await parts.examiner.examine(path)
        if alive.done():
            raise UploadLost
        yield Upload(
            id=upload_id,
            course_id=course_id,
            user_id=user_id,
            source_key=key,
            source_bytes=stored.size,
            probe=probe,
        )
        whole = True
    finally:
        alive.cancel()
        if not whole:
            # Shielded: a caller who hangs up cancels this too.
            await asyncio.shield(_discard(database, storage, upload_id))


def _check_space(folder: Path, announced: int) -> None:
    """Refuse a file that would leave a disk too full for whatever else writes there. Raises StorageAway."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise StorageAway from error
    if free - announced < MIN_FREE_BYTES:
        raise StorageAway


async def _recognised(file: AsyncIterator[bytes]) -> tuple[str, AsyncIterator[bytes]]:
    """The media type that a file's first bytes speak of, and the file from its beginning.

    For whoever is sent to the bucket: what is stored there as nothing known is not played.
    """
    head = b""
    async for piece in file:
        head += piece
        if len(head) >= HEAD_BYTES:
            break
    container = recognised(head)
    return (container.content_type if container else UNKNOWN), _after(head, file)


async def _after(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for piece in rest:
        yield piece


async def _keep_alive(database: Database, upload_id: UUID) -> None:
    """Say from time to time that the upload goes on; ends where it was given up."""
    while True:
        await asyncio.sleep(SIGN_EVERY.total_seconds())
        with suppress(*HINDERED):
            if not await sql.keep_alive(database.reader, upload_id=upload_id):
                return


async def _discard(database: Database, storage: Storage, upload_id: UUID) -> None:
    """Remove what was stored, then the row. What fails here is left to the job that looks for silent uploads."""
    try:
        if not await sql.keep_alive(database.reader, upload_id=upload_id):
            # It has become a video, by a commit that nobody heard of; or it was given up, and a job has removed what
            # was there by then: less than there is now, perhaps.
            async with database.transaction() as tx:
                if not await sql.became_video(tx, upload_id=upload_id):
                    await jobs.enqueue(tx, REMOVE_OBJECTS, {"prefix": folder_of(upload_id)})
            return
        await storage.delete_prefix(folder_of(upload_id))
        async with database.transaction() as tx:
            await sql.end_upload(tx, upload_id=upload_id)
    except Unavailable as error:
        _log.warning("upload.left", upload=str(upload_id), reason=error.message)
