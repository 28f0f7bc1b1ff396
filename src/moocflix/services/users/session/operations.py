"""Opening, renewing and ending sessions."""

from datetime import datetime, timedelta
from uuid import UUID

from moocflix.platform.auth.passwords import Verdict
from moocflix.platform.database.transaction import Tx
from moocflix.services.users.credential import sql as credential_sql
from moocflix.services.users.credential.model import AccountNotActive, Attempt, Credentials, WrongCredentials
from moocflix.services.users.session import sql
from moocflix.services.users.session.model import (
    Grant,
    Lives,
    NewSession,
    RefreshTokenRefused,
    RefreshTokenReused,
    UsedToken,
    open_successor,
    seal_successor,
)


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
) -> tuple[Grant, str]:
    """Use a refresh token up: what the next access token states, and the next refresh token.

    A token that is used again within the grace, before its successor was, gives that same successor: two windows
    refreshed at once, or an answer got lost. Any other second use ends the session. Raises RefreshTokenRefused,
    RefreshTokenReused.
    """
    grant = await sql.rotate(
        tx,
        used=refresh_token,
        successor=successor,
        sealed_successor=seal_successor(successor, used=refresh_token),
        refresh_by=now + lives.refresh_token,
        client_address=client_address,
        now=now,
    )
    if grant is not None:
        return grant, successor
    token = await sql.used_token(tx, refresh_token=refresh_token, now=now)
    if token is None or not token.is_open or token.used_at is None:
        raise RefreshTokenRefused
    known = await _known_successor(tx, token=token, refresh_token=refresh_token, grace=lives.grace, now=now)
    if known is None:
        await end(tx, session_id=token.grant.session_id, user_id=token.grant.user_id, lives=lives, now=now)
        raise RefreshTokenReused
    return token.grant, known


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


async def _known_successor(
    tx: Tx, *, token: UsedToken, refresh_token: str, grace: timedelta, now: datetime
) -> str | None:
    if not token.in_grace(grace=grace, now=now) or token.sealed_successor is None:
        return None
    successor = open_successor(token.sealed_successor, used=refresh_token)
    if successor is None or not await sql.is_unused(tx, refresh_token=successor):
        return None
    return successor
