"""Credentials and attempts at them in the database."""

from datetime import datetime
from uuid import UUID

from moocflix.platform.database.transaction import Reader, Tx
from moocflix.services.users.credential.model import Attempt, Credentials, LoginName

_COLUMNS = "id AS user_id, password_hash, state"

_ONE_MORE = """
        ON CONFLICT (key) DO UPDATE
       SET count = CASE WHEN held.started_at <= $5 - $6::interval THEN 1 ELSE held.count + 1 END,
           started_at = CASE WHEN held.started_at <= $5 - $6::interval THEN $5 ELSE held.started_at END
    RETURNING count, started_at
"""

# Beyond the limit of an address no password is looked at: what it still tries does not count among those from all, or
# one address could keep the owner out everywhere.
# The address's row is locked first, here and below, so that no two requests wait for each other crosswise.
_COUNT = f"""
WITH here AS (
    INSERT INTO login_attempts AS held (key, count, started_at)
    VALUES ($1, 1, $5)
    {_ONE_MORE}
), anywhere AS (
    INSERT INTO login_attempts AS held (key, count, started_at)
    SELECT $2, 1, $5 FROM here WHERE count <= $3
    {_ONE_MORE}
)
SELECT max(started_at) AS full_since FROM (
    SELECT started_at FROM here WHERE count > $3 UNION ALL SELECT started_at FROM anywhere WHERE count > $4
) AS passed
"""

# Asking what was deleted has it deleted first.
_FORGIVE = """
WITH here AS (
    DELETE FROM login_attempts WHERE key = $1 RETURNING key
)
UPDATE login_attempts SET count = greatest(count - 1, 0) WHERE key = $2 AND (SELECT count(*) FROM here) >= 0
"""


async def credentials(db: Reader, *, name: LoginName) -> Credentials | None:
    """What is known of the account that this name leads to."""
    if name.phone is not None:
        row = await db.fetchrow(f"SELECT {_COLUMNS} FROM users WHERE phone = $1", name.phone)
    else:
        row = await db.fetchrow(f"SELECT {_COLUMNS} FROM users WHERE email_key = $1", name.email_key)
    return None if row is None else Credentials(**row)


async def credentials_of(db: Reader, *, user_id: UUID) -> Credentials | None:
    """What is known of somebody's account."""
    row = await db.fetchrow(f"SELECT {_COLUMNS} FROM users WHERE id = $1", user_id)
    return None if row is None else Credentials(**row)


async def count_attempt(tx: Tx, *, attempt: Attempt) -> None:
    """Count an attempt, for good whatever becomes of the request. Raises TooManyAttempts."""
    row = await tx.fetchrow_alone(_COUNT, *attempt.keys, *attempt.limits, attempt.at, attempt.window)
    attempt.check(full_since=None if row is None else row["full_since"])


async def forgive_attempts(tx: Tx, *, attempt: Attempt) -> None:
    """The password was right: forget those from here, and take this one back where all are counted."""
    await tx.execute(_FORGIVE, *attempt.keys)


async def replace_hash(tx: Tx, *, user_id: UUID, old: str, new: str) -> bool:
    """Put another hash of the same password in place; False where the password was changed meanwhile."""
    replaced = await tx.execute(
        "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2", user_id, old, new
    )
    return replaced > 0


async def forget_attempts(tx: Tx, *, before: datetime) -> int:
    """Drop the counts of windows that began before this time; how many."""
    return await tx.execute("DELETE FROM login_attempts WHERE started_at < $1", before)
