"""Credentials and attempts at them in the database."""

from datetime import datetime
from uuid import UUID

from moocflix.platform.database.transaction import Reader, Tx
from moocflix.services.users.credential.model import Attempt, Credentials, LoginName

_COLUMNS = "id AS user_id, password_hash, state"

# Keys in one order, so that two attempts do not wait for each other crosswise.
_COUNT = """
WITH attempt AS (
    SELECT key, most FROM unnest($1::bytea[], $2::integer[]) AS attempt (key, most)
), counted AS (
    INSERT INTO login_attempts AS held (key, count, started_at)
    SELECT key, 1, $3 FROM attempt ORDER BY key
        ON CONFLICT (key) DO UPDATE
       SET count = CASE WHEN held.started_at <= $3 - $4::interval THEN 1 ELSE held.count + 1 END,
           started_at = CASE WHEN held.started_at <= $3 - $4::interval THEN $3 ELSE held.started_at END
    RETURNING key, count, started_at
)
SELECT max(started_at) AS full_since FROM counted JOIN attempt USING (key) WHERE count > most
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
    row = await tx.fetchrow_alone(_COUNT, list(attempt.keys), list(attempt.limits), attempt.at, attempt.window)
    attempt.check(full_since=None if row is None else row["full_since"])


async def forgive_attempts(tx: Tx, *, attempt: Attempt) -> None:
    """The password was right: forget those from here, and take this one back where all are counted."""
    here, anywhere = attempt.keys
    await tx.execute(
        """
        WITH forgotten AS (DELETE FROM login_attempts WHERE key = $1)
        UPDATE login_attempts SET count = greatest(count - 1, 0) WHERE key = $2
        """,
        here,
        anywhere,
    )


async def replace_hash(tx: Tx, *, user_id: UUID, old: str, new: str) -> bool:
    """Put another hash of the same password in place; False where the password was changed meanwhile."""
    replaced = await tx.execute(
        "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2", user_id, old, new
    )
    return replaced > 0


async def forget_attempts(tx: Tx, *, before: datetime) -> int:
    """Drop the counts of windows that began before this time; how many."""
    return await tx.execute("DELETE FROM login_attempts WHERE started_at < $1", before)
