"""Accounts in the database."""

from collections.abc import Callable, Iterable
from uuid import UUID

import asyncpg

from moocflix.contracts.users import AccountState
from moocflix.platform.auth.principal import Role
from moocflix.platform.database.transaction import Reader, Record, Tx
from moocflix.platform.errors import Conflict
from moocflix.services.users.account.model import Account, EmailTaken, NewAccount, PhoneTaken, UsernameTaken
from moocflix.services.users.credential.model import email_key

_COLUMNS = "id, email, email_verified, phone, username, name, avatar_url, role, state, version, created_at, updated_at"

# One statement for all fields: the new row was worked out from the locked old one.
_UPDATE = """
UPDATE users
   SET email = $2, email_key = $3, email_verified = $4, phone = $5, username = $6, name = $7, avatar_url = $8,
       version = $9, updated_at = $10, password_hash = coalesce($11, password_hash)
 WHERE id = $1
"""

# A username that is taken gives no row, so that the next one can be tried; an e-mail address that is taken raises.
_INSERT = f"""
INSERT INTO users (id, email, email_key, phone, username, name, avatar_url, role, password_hash, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
    ON CONFLICT (username) DO NOTHING
RETURNING {_COLUMNS}
"""

_TAKEN: dict[str | None, Callable[[], Conflict]] = {
    "users_email_taken": EmailTaken,
    "users_phone_taken": PhoneTaken,
    "users_username_taken": UsernameTaken,
}


async def account(db: Reader, *, id: UUID) -> Account | None:
    """Somebody's account."""
    return _account(await db.fetchrow(f"SELECT {_COLUMNS} FROM users WHERE id = $1", id))


async def id_of(db: Reader, *, email: str) -> UUID | None:
    """Whose address this is."""
    found: UUID | None = await db.fetchval("SELECT id FROM users WHERE email_key = $1", email_key(email))
    return found


async def locked_account(tx: Tx, *, id: UUID) -> Account | None:
    """Somebody's account, that nobody else changes before the transaction ends."""
    return _account(await tx.fetchrow(f"SELECT {_COLUMNS} FROM users WHERE id = $1 FOR NO KEY UPDATE", id))


async def password_hash_of(tx: Tx, *, id: UUID) -> str | None:
    """The hash of somebody's password."""
    found: str | None = await tx.fetchval("SELECT password_hash FROM users WHERE id = $1", id)
    return found


async def accounts(db: Reader, *, after: UUID | None, limit: int) -> list[Account]:
    """Accounts by id, from after this one."""
    rows = await db.fetch(
        f"SELECT {_COLUMNS} FROM users WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2", after, limit
    )
    return [Account(**row) for row in rows]


async def insert(tx: Tx, *, new: NewAccount, usernames: Iterable[str]) -> Account | None:
    """Make an account under the first username that is free, None where none is. Raises EmailTaken, PhoneTaken."""
    for username in usernames:
        try:
            row = await tx.fetchrow(
                _INSERT,
                new.id,
                new.email,
                email_key(new.email),
                new.phone,
                username,
                new.name,
                new.avatar_url,
                new.role,
                new.password_hash,
                new.created_at,
            )
        except asyncpg.UniqueViolationError as violation:
            raise _taken(violation) from None
        if row is not None:
            return _account(row)
    return None


async def update(tx: Tx, *, after: Account, password_hash: str | None) -> None:
    """Write an account that was locked, and its new password's hash, if any. Raises EmailTaken and the like."""
    try:
        await tx.execute(
            _UPDATE,
            after.id,
            after.email,
            email_key(after.email),
            after.email_verified,
            after.phone,
            after.username,
            after.name,
            after.avatar_url,
            after.version,
            after.updated_at,
            password_hash,
        )
    except asyncpg.UniqueViolationError as violation:
        raise _taken(violation) from None


async def set_standing(tx: Tx, *, after: Account) -> None:
    """Write role and state of an account that was locked."""
    role: Role = after.role
    state: AccountState = after.state
    await tx.execute(
        "UPDATE users SET role = $2, state = $3, version = $4, updated_at = $5 WHERE id = $1",
        after.id,
        role,
        state,
        after.version,
        after.updated_at,
    )


def _account(row: Record | None) -> Account | None:
    return None if row is None else Account(**row)


def _taken(violation: asyncpg.UniqueViolationError) -> Exception:
    kind = _TAKEN.get(violation.constraint_name)
    return violation if kind is None else kind()
