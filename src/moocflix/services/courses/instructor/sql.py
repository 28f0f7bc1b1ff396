"""The copy of users, as far as they teach."""

from uuid import UUID

from moocflix.contracts.users import UserState
from moocflix.platform.database.transaction import Reader, Tx

_KNOWN = "SELECT EXISTS (SELECT 1 FROM instructors WHERE id = $1 AND version > 0)"

_UPSERT = """
INSERT INTO instructors AS i (id, name, avatar_url, version) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, avatar_url = EXCLUDED.avatar_url, version = EXCLUDED.version
 WHERE i.version < EXCLUDED.version
"""

_UPDATE = "UPDATE instructors SET name = $2, avatar_url = $3, version = $4 WHERE id = $1 AND version < $4"


async def known(db: Reader, *, instructor_id: UUID) -> bool:
    """Whether there is a copy of this person."""
    found: bool = await db.fetchval(_KNOWN, instructor_id)
    return found


async def upsert(tx: Tx, user: UserState) -> None:
    """Keep a person's state, where it is newer than the copy's."""
    await tx.execute(_UPSERT, user.user_id, user.name, user.avatar_url, user.version)


async def update(tx: Tx, user: UserState) -> None:
    """The same, for a person who is known already; others do not teach."""
    await tx.execute(_UPDATE, user.user_id, user.name, user.avatar_url, user.version)
