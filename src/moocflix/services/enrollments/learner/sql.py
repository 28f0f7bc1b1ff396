"""The statements of users_copy."""

from uuid import UUID

from moocflix.contracts.users import UserState
from moocflix.platform.database.transaction import Reader, Tx
from moocflix.platform.errors import CopyMissing


async def is_active(db: Reader, *, user_id: UUID) -> bool:
    """Whether the account is active. Raises CopyMissing where its state is not here."""
    state = await db.fetchval("SELECT state FROM users_copy WHERE user_id = $1 AND version > 0", user_id)
    if state is None:
        raise CopyMissing("user", user_id)
    return bool(state == "active")


async def upsert_user(tx: Tx, state: UserState) -> None:
    """Apply a user's state where it is newer than the copy."""
    await tx.execute(
        """
        INSERT INTO users_copy AS u (user_id, version, username, name, avatar_url, state)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (user_id) DO UPDATE
           SET version = excluded.version, username = excluded.username, name = excluded.name,
               avatar_url = excluded.avatar_url, state = excluded.state
         WHERE u.version < excluded.version
        """,
        state.user_id,
        state.version,
        state.username,
        state.name,
        state.avatar_url,
        state.state,
    )
