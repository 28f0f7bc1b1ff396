"""Where a set of renditions is stored: playing asks once for each in a process."""

from uuid import UUID

from moocflix.platform.database.transaction import Reader


async def prefix(db: Reader, *, request_id: UUID) -> str | None:
    """Where a set of renditions is stored; None where the video is gone."""
    found: str | None = await db.fetchval(
        "SELECT prefix FROM transcodings WHERE request_id = $1 AND outcome = 'ready'", request_id
    )
    return found
