"""Opening, renewing and ending sessions."""

from datetime import datetime
from uuid import UUID

from moocflix.platform.auth.passwords import Verdict
from moocflix.platform.database.transaction import Tx
from moocflix.services.users.credential import sql as credential_sql
from moocflix.services.users.credential.model import AccountNotActive, Attempt, Credentials, WrongCredentials
from moocflix.services.users.session import sql
from moocflix.services.users.session.model import Grant, Lives, NewSession, RefreshTokenRefused, RefreshTokenReused


async def log_in(
    tx: Tx, *, credentials: Credentials | None, verdict: Verdict, attempt: Attempt, session: NewSession
) -> Grant:
    """Open a session for who has shown the right password. Raises WrongCredentials, AccountNotActive."""
    if credentials is None or credentials.password_hash is None or not verdict.good:
        raise WrongCredentials
    if credentials.state != "active":
        raise AccountNotActive(credentials.state)
    password_hash = credentials.password_hash
    if verdict.rehashed is not None and await credential_sql.replace_hash(
        tx, user_id=credentials.user_id, old=password_hash, new=verdict.rehashed
    ):
        password_hash = verdict.rehashed
    await credential_sql.forgive_attempts(tx, attempt=attempt)
    grant = await sql.open_session(tx, user_id=credentials.user_id, password_hash=password_hash, session=session)
    if grant is None:  # changed or closed while the password was being checked
        raise WrongCredentials
    return grant


async def refresh(
    tx: Tx, *, refresh_token: str, successor: str, lives: Lives, client_address: str, now: datetime
) -> Grant:
    """Use a refresh token up and put its successor in its place; what the next access token states.

    A second use ends the session. Raises RefreshTokenRefused, RefreshTokenReused.
    """
    grant = await sql.rotate(
        tx,
        used=refresh_token,
        successor=successor,
        refresh_by=now + lives.refresh_token,
        client_address=client_address,
        now=now,
    )
    if grant is not None:
        return grant
    reuse = await sql.reuse(tx, refresh_token=refresh_token)
    if reuse is None:
        raise RefreshTokenRefused
    await end(tx, session_id=reuse.session_id, user_id=reuse.user_id, lives=lives, now=now)
    raise RefreshTokenReused


async def end(tx: Tx, *, session_id: UUID, user_id: UUID, lives: Lives, now: datetime) -> bool:
    """End one of somebody's sessions; False where it is not open, or not theirs."""
    # Where it has ended already, whoever ended it has said so.
    if not await sql.end_session(tx, id=session_id, user_id=user_id, now=now):
        return False
    await sql.revoke_sessions(tx, session_ids=[session_id], expires_at=now + lives.revocation)
    return True


async def end_all(tx: Tx, *, user_id: UUID, lives: Lives, now: datetime) -> None:
    """End all of somebody's sessions."""
    generation = await sql.next_generation(tx, user_id=user_id)
    await sql.end_sessions(tx, user_id=user_id, but=None, now=now)
    if generation is not None:
        await sql.revoke_generation(tx, user_id=user_id, generation=generation, expires_at=now + lives.revocation)


async def forget(tx: Tx, *, ended_before: datetime, now: datetime, limit: int) -> bool:
    """Drop what no longer matters of sessions and tokens, some rows at a time; whether there may be more."""
    await sql.forget_revocations(tx, now=now)
    await credential_sql.forget_attempts(tx, before=ended_before)
    sessions = await sql.forget_sessions(tx, before=ended_before, limit=limit)
    tokens = await sql.forget_refresh_tokens(tx, before=now, limit=limit)
    return limit in {sessions, tokens}
