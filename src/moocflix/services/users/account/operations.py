"""Making, changing and closing accounts."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from moocflix.contracts.users import USER_CREATION, USER_DEACTIVATION, USER_UPDATE, AccountState
from moocflix.platform.auth.principal import Role
from moocflix.platform.database.transaction import Tx
from moocflix.platform.versions import IfMatch, check_version
from moocflix.services.users.account import sql
from moocflix.services.users.account.model import Account, AccountClosed, AccountNotFound, NewAccount, UsernameTaken
from moocflix.services.users.credential.model import WrongCurrentPassword
from moocflix.services.users.session import sql as session_sql
from moocflix.services.users.session.model import Grant, Lives, NewSession


async def make_account(tx: Tx, *, new: NewAccount, usernames: Iterable[str]) -> Account:
    """Make an account. Raises EmailTaken, PhoneTaken, UsernameTaken."""
    account = await sql.insert(tx, new=new, usernames=usernames)
    if account is None:
        raise UsernameTaken
    tx.publish(USER_CREATION, account.public())
    return account


async def sign_up(tx: Tx, *, new: NewAccount, usernames: Iterable[str], session: NewSession) -> Grant:
    """Make an account and open its first session. Raises as make_account."""
    await make_account(tx, new=new, usernames=usernames)
    grant = await session_sql.open_session(tx, user_id=new.id, password_hash=new.password_hash, session=session)
    if grant is None:
        raise AccountNotFound
    return grant


async def update(
    tx: Tx,
    *,
    id: UUID,
    changes: dict[str, Any],
    new_password_hash: str | None,
    proven_hash: str | None,
    if_match: IfMatch,
    session_id: UUID,
    lives: Lives,
    now: datetime,
) -> Account:
    """Change an account. A new password ends every session but the one that it is changed in.

    `proven_hash` is the one that the caller's current password fitted, where it was asked for. Raises AccountNotFound,
    Stale, WrongCurrentPassword, EmailTaken, PhoneTaken, UsernameTaken.
    """
    before = await _locked(tx, id=id)
    check_version(before.version, if_match)
    # The password may have been changed between the check and the lock.
    if proven_hash is not None and await sql.password_hash_of(tx, id=id) != proven_hash:
        raise WrongCurrentPassword
    after = before.changed(changes, now=now)
    if after is before and new_password_hash is None:
        return before
    if after is before:
        after = msgspec.structs.replace(before, version=before.version + 1, updated_at=now)
    await sql.update(tx, after=after, password_hash=new_password_hash)
    tx.publish(USER_UPDATE, after.public())
    if new_password_hash is not None:
        await _end_other_sessions(tx, user_id=id, but=session_id, lives=lives, now=now)
    return after


async def deactivate(tx: Tx, *, id: UUID, lives: Lives, now: datetime) -> Account:
    """Close an account and all its sessions. Raises AccountNotFound."""
    account = await _locked(tx, id=id)
    return await _change_standing(tx, account, role=account.role, state="deactivated", lives=lives, now=now)


async def id_of(tx: Tx, *, email: str) -> UUID:
    """Whose address this is. Raises AccountNotFound."""
    found = await sql.id_of(tx, email=email)
    if found is None:
        raise AccountNotFound
    return found


async def set_state(tx: Tx, *, id: UUID, state: Literal["active", "blocked"], lives: Lives, now: datetime) -> Account:
    """Block an account, which ends its sessions, or open it again. Raises AccountNotFound, AccountClosed."""
    account = await _locked(tx, id=id)
    if account.state not in {"active", "blocked"}:
        raise AccountClosed(account.state)
    return await _change_standing(tx, account, role=account.role, state=state, lives=lives, now=now)


async def set_role(tx: Tx, *, id: UUID, role: Role, lives: Lives, now: datetime) -> Account:
    """Give somebody another role. Their sessions go on, with tokens that state it. Raises AccountNotFound."""
    account = await _locked(tx, id=id)
    return await _change_standing(tx, account, role=role, state=account.state, lives=lives, now=now)


async def _locked(tx: Tx, *, id: UUID) -> Account:
    account = await sql.locked_account(tx, id=id)
    if account is None:
        raise AccountNotFound
    return account


async def _change_standing(
    tx: Tx, before: Account, *, role: Role, state: AccountState, lives: Lives, now: datetime
) -> Account:
    after = before.changed({"role": role, "state": state}, now=now)
    if after is before:
        return before
    await sql.set_standing(tx, after=after)
    tx.publish(USER_DEACTIVATION if state == "deactivated" else USER_UPDATE, after.public())
    generation = await session_sql.next_generation(tx, user_id=before.id)
    if state != "active":
        await session_sql.end_sessions(tx, user_id=before.id, but=None, now=now)
    if generation is not None:
        await session_sql.revoke_generation(
            tx, user_id=before.id, generation=generation, expires_at=now + lives.revocation
        )
    return after


async def _end_other_sessions(tx: Tx, *, user_id: UUID, but: UUID, lives: Lives, now: datetime) -> None:
    ended = await session_sql.end_sessions(tx, user_id=user_id, but=but, now=now)
    await session_sql.revoke_sessions(tx, session_ids=ended, expires_at=now + lives.revocation)
