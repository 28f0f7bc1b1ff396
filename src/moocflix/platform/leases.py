"""Leases: what only one process may do at a time, by a row and the database's clock."""

from uuid import UUID

from moocflix.platform.database.transaction import Reader

# The token grows with each change of holder, so that a late write of the one before can be told and refused. Nobody
# holds it for longer than it is asked for: one that says so is of a clock that has been set back since.
_TAKE = """
INSERT INTO leases AS held (name, holder, expires_at)
VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
    ON CONFLICT (name) DO UPDATE
   SET holder = excluded.holder,
       token = held.token + CASE WHEN held.holder = excluded.holder THEN 0 ELSE 1 END,
       expires_at = excluded.expires_at
 WHERE held.holder = excluded.holder
    OR held.expires_at NOT BETWEEN clock_timestamp() AND clock_timestamp() + make_interval(secs => $3)
RETURNING token
"""

_RELEASE = "UPDATE leases SET expires_at = '-infinity' WHERE name = $1 AND holder = $2 RETURNING 1"

_SEIZE = """
INSERT INTO leases AS held (name, holder, expires_at) VALUES ($1, $2, '-infinity')
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = held.token + 1, expires_at = '-infinity'
RETURNING token
"""


async def take(db: Reader, name: str, *, holder: UUID, seconds: float) -> int | None:
    """Take the lease, or renew it; its token, or None while another holds it."""
    token: int | None = await db.fetchval(_TAKE, name, holder, seconds)
    return token


async def release(db: Reader, name: str, *, holder: UUID) -> None:
    """Let it go, so that the next need not wait for its end."""
    await db.fetchval(_RELEASE, name, holder)


async def seize(db: Reader, name: str, *, holder: UUID) -> int:
    """Take it from whoever holds it: from the caller's commit on, that one's writes are refused."""
    token: int = await db.fetchval(_SEIZE, name, holder)
    return token
