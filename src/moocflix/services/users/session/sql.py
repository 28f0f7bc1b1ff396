"""Sessions, refresh tokens and revocations in the database."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from moocflix.platform.auth.published import REVOCATIONS_CHANNEL, REVOCATIONS_PAGE, Revocation, RevocationList
from moocflix.platform.database.transaction import Reader, Tx
from moocflix.services.users.session.model import Grant, NewSession, Reuse, Session, digest

# The account's row is locked against a change of its password, which then ends the new session too.
_OPEN = """
WITH account AS (
    SELECT id, role, generation FROM users
     WHERE id = $1 AND state = 'active' AND password_hash = $2
       FOR SHARE
), opened AS (
    INSERT INTO sessions (id, user_id, user_agent, client_address, created_at, last_used_at, expires_at)
    SELECT $3, id, $4, $5, $6, $6, $7 FROM account
    RETURNING id
), issued AS (
    INSERT INTO refresh_tokens (digest, session_id, issued_at, expires_at)
    SELECT $8, id, $6, $9 FROM opened
)
SELECT id AS user_id, role, generation FROM account
"""

# Of two who show the same token one waits for the other's row lock, and then finds it used.
_ROTATE = """
WITH used AS (
    UPDATE refresh_tokens AS token
       SET used_at = $3
      FROM sessions AS session
      JOIN users AS account ON account.id = session.user_id
     WHERE token.digest = $1 AND token.used_at IS NULL AND token.expires_at > $3
       AND session.id = token.session_id AND session.ended_at IS NULL AND session.expires_at > $3
       AND account.state = 'active'
    RETURNING session.id AS session_id, session.expires_at, account.id AS user_id, account.role, account.generation
), issued AS (
    INSERT INTO refresh_tokens (digest, session_id, issued_at, expires_at)
    SELECT $2, session_id, $3, least($4, expires_at) FROM used
), touched AS (
    UPDATE sessions SET last_used_at = $3, client_address = $5 FROM used WHERE sessions.id = used.session_id
)
SELECT user_id, session_id, role, generation FROM used
"""

_REUSE = """
SELECT session.id AS session_id, session.user_id
  FROM refresh_tokens AS token JOIN sessions AS session ON session.id = token.session_id
 WHERE token.digest = $1 AND token.used_at IS NOT NULL AND session.ended_at IS NULL
"""

# The counter's row lock lets numbers become visible in their order. It is the last lock that a transaction takes.
_REVOKE = """
WITH counted AS (
    INSERT INTO revocation_numbers AS numbers (last) VALUES (cardinality($1::uuid[]))
        ON CONFLICT (sole) DO UPDATE SET last = numbers.last + excluded.last
    RETURNING last
), issued AS (
    INSERT INTO issued_revocations (number, session_id, user_id, generation, expires_at)
    SELECT last - cardinality($1) + position, session_id, user_id, generation, $4
      FROM counted, unnest($1, $2::uuid[], $3::integer[]) WITH ORDINALITY
           AS ended (session_id, user_id, generation, position)
)
SELECT pg_notify($5, '') FROM counted
"""

_REVOCATIONS = """
SELECT number, session_id, user_id, generation, expires_at FROM issued_revocations
 WHERE number > $1 AND expires_at > $2
 ORDER BY number LIMIT $3
"""


async def open_session(tx: Tx, *, user_id: UUID, password_hash: str, session: NewSession) -> Grant | None:
    """Open a session for an active account whose password is still the one that was checked, else None."""
    row = await tx.fetchrow(
        _OPEN,
        user_id,
        password_hash,
        session.id,
        session.user_agent,
        session.client_address,
        session.created_at,
        session.expires_at,
        digest(session.refresh_token),
        session.refresh_by,
    )
    return None if row is None else Grant(session_id=session.id, **row)


async def rotate(
    tx: Tx, *, used: str, successor: str, refresh_by: datetime, client_address: str, now: datetime
) -> Grant | None:
    """Use up a refresh token and put its successor in its place; None where it is not, or no longer, good."""
    row = await tx.fetchrow_alone(_ROTATE, digest(used), digest(successor), now, refresh_by, client_address)
    return None if row is None else Grant(**row)


async def reuse(db: Reader, *, refresh_token: str) -> Reuse | None:
    """Whose open session it is, where this refresh token was used already; None else."""
    row = await db.fetchrow(_REUSE, digest(refresh_token))
    return None if row is None else Reuse(**row)


async def sessions_of(
    db: Reader, *, user_id: UUID, now: datetime, before: tuple[datetime, UUID] | None, limit: int
) -> list[Session]:
    """Somebody's open sessions, the newest first, from the one before the place given."""
    created_before, id_before = before or (None, None)
    rows = await db.fetch(
        """
        SELECT id, user_agent, client_address, created_at, last_used_at, expires_at FROM sessions
         WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2
           AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
         ORDER BY created_at DESC, id DESC LIMIT $5
        """,
        user_id,
        now,
        created_before,
        id_before,
        limit,
    )
    return [Session(**row) for row in rows]


async def end_session(tx: Tx, *, id: UUID, user_id: UUID, now: datetime) -> bool:
    """End one open session of somebody; False where they have no such one."""
    ended = await tx.execute(
        "UPDATE sessions SET ended_at = $3 WHERE id = $1 AND user_id = $2 AND ended_at IS NULL", id, user_id, now
    )
    return ended > 0


async def end_sessions(tx: Tx, *, user_id: UUID, but: UUID | None, now: datetime) -> list[UUID]:
    """End all open sessions of somebody, but for one; which they were."""
    rows = await tx.fetch(
        """
        UPDATE sessions SET ended_at = $3
         WHERE user_id = $1 AND id IS DISTINCT FROM $2 AND ended_at IS NULL
        RETURNING id
        """,
        user_id,
        but,
        now,
    )
    return [row["id"] for row in rows]


async def next_generation(tx: Tx, *, user_id: UUID) -> int | None:
    """Begin somebody's next generation of tokens; the number of the one that ends with it."""
    ended: int | None = await tx.fetchval(
        "UPDATE users SET generation = generation + 1 WHERE id = $1 RETURNING generation - 1", user_id
    )
    return ended


async def revoke_sessions(tx: Tx, *, session_ids: Sequence[UUID], expires_at: datetime) -> None:
    """Have the access tokens of these sessions refused everywhere. The last statement of its transaction."""
    if session_ids:
        nothing = [None] * len(session_ids)
        await tx.fetchval(_REVOKE, list(session_ids), nothing, nothing, expires_at, REVOCATIONS_CHANNEL)


async def revoke_generation(tx: Tx, *, user_id: UUID, generation: int, expires_at: datetime) -> None:
    """Have somebody's tokens up to this generation refused everywhere. The last statement of its transaction."""
    await tx.fetchval(_REVOKE, [None], [user_id], [generation], expires_at, REVOCATIONS_CHANNEL)


async def revocations(db: Reader, *, after: int, now: datetime) -> RevocationList:
    """The revocations after a number, as far as they still matter, a page of them at most."""
    rows = await db.fetch(_REVOCATIONS, after, now, REVOCATIONS_PAGE)
    last = await db.fetchval("SELECT last FROM revocation_numbers")
    return RevocationList(revocations=[Revocation(**row) for row in rows], last=last or 0)


async def forget_sessions(tx: Tx, *, before: datetime, limit: int) -> int:
    """Drop sessions that ended or expired before this time, with their refresh tokens; how many, at most `limit`."""
    return await tx.execute(
        """
        DELETE FROM sessions WHERE id IN (
            SELECT id FROM sessions WHERE ended_at < $1
             UNION ALL
            SELECT id FROM sessions WHERE expires_at < $1
             LIMIT $2)
        """,
        before,
        limit,
    )


async def forget_refresh_tokens(tx: Tx, *, before: datetime, limit: int) -> int:
    """Drop refresh tokens that expired before this time; how many, at most `limit`."""
    return await tx.execute(
        """
        DELETE FROM refresh_tokens
         WHERE digest IN (SELECT digest FROM refresh_tokens WHERE expires_at < $1 LIMIT $2)
        """,
        before,
        limit,
    )


async def forget_revocations(tx: Tx, *, now: datetime) -> int:
    """Drop revocations whose tokens have all expired; how many."""
    return await tx.execute("DELETE FROM issued_revocations WHERE expires_at <= $1", now)
