"""Giving up the uploads of processes that died."""

from datetime import timedelta

from moocflix.platform import jobs
from moocflix.platform.database.transaction import Tx
from moocflix.services.content.places import REMOVE_OBJECTS, folder_of
from moocflix.services.content.upload import sql

_SILENCE = timedelta(minutes=10)


async def give_up_silent(tx: Tx) -> int:
    """Give up uploads without a sign of life, and have what they stored removed. How many there were."""
    given_up = await sql.give_up_silent(tx, silence=_SILENCE)
    for upload_id in given_up:
        await jobs.enqueue(tx, REMOVE_OBJECTS, {"prefix": folder_of(upload_id)})
    return len(given_up)
