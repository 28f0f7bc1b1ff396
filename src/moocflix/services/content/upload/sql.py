"""The statements of uploads."""

from datetime import timedelta
from uuid import UUID

from moocflix.platform.database.transaction import Reader, Tx

# Of two at once the second counts the first: a statement of its own, it sees what was committed while it waited.
_ONE_BY_ONE = "SELECT pg_advisory_xact_lock(hashtextextended('upload of ' || $1::uuid, 0))"

_BEGIN = """
INSERT INTO uploads (id, course_id, user_id)
SELECT $1, $2, $3
 WHERE (SELECT count(*) FROM uploads WHERE user_id = $3 AND alive_at > clock_timestamp() - $5::interval) < $4
"""


async def begin_upload(
    tx: Tx, *, upload_id: UUID, course_id: UUID, user_id: UUID, at_most: int, silence: timedelta
) -> bool:
    """Note an upload before its first byte is stored; False where so many of this person's are not silent yet."""
    await tx.execute(_ONE_BY_ONE, user_id)
    return await tx.execute(_BEGIN, upload_id, course_id, user_id, at_most, silence) == 1


async def keep_alive(db: Reader, *, upload_id: UUID) -> bool:
    """Say that an upload goes on; False where it was given up."""
    return bool(
        await db.fetchval("UPDATE uploads SET alive_at = clock_timestamp() WHERE id = $1 RETURNING true", upload_id)
    )


async def end_upload(tx: Tx, *, upload_id: UUID) -> bool:
    """The upload is no longer under way; False where it was given up before."""
    return await tx.execute("DELETE FROM uploads WHERE id = $1", upload_id) == 1


async def became_video(db: Reader, *, upload_id: UUID) -> bool:
    """Whether there is a video of an upload that is no longer under way."""
    return bool(await db.fetchval("SELECT true FROM videos WHERE id = $1", upload_id))


async def give_up_silent(tx: Tx, *, silence: timedelta) -> list[UUID]:
    """Give up uploads that nobody has kept alive for so long: their ids."""
    rows = await tx.fetch("DELETE FROM uploads WHERE alive_at < clock_timestamp() - $1::interval RETURNING id", silence)
    return [row["id"] for row in rows]
