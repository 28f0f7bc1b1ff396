"""Beginning an upload, and giving up those of processes that died."""

from datetime import timedelta
from uuid import UUID

from moocflix.platform import jobs
from moocflix.platform.database.transaction import Tx
from moocflix.services.content.places import REMOVE_OBJECTS, folder_of
from moocflix.services.content.upload import sql
from moocflix.services.content.upload.model import TooManyUploads

SIGN_EVERY = timedelta(minutes=1)
"""How often a process says that an upload goes on."""

# After three signs that did not come it counts against nobody; after ten it is lost.
_QUIET = 3 * SIGN_EVERY
_SILENCE = 10 * SIGN_EVERY


async def begin(tx: Tx, *, upload_id: UUID, course_id: UUID, user_id: UUID, at_most: int) -> None:
    """Note an upload before its first byte is stored. Raises TooManyUploads."""
    if not await sql.begin_upload(
        tx, upload_id=upload_id, course_id=course_id, user_id=user_id, at_most=at_most, silence=_QUIET
    ):
        raise TooManyUploads(at_most)


async def give_up_silent(tx: Tx) -> int:
    """Give up uploads without a sign of life, and have what they stored removed. How many there were."""
    given_up = await sql.give_up_silent(tx, silence=_SILENCE)
    for upload_id in given_up:
        await jobs.enqueue(tx, REMOVE_OBJECTS, {"prefix": folder_of(upload_id)})
    return len(given_up)
