"""Signing keys in the database."""

from datetime import datetime

from moocflix.platform.auth.published import JsonWebKeySet
from moocflix.platform.database.transaction import Reader, Tx
from moocflix.services.users.signing_key.model import SigningKey

_COLUMNS = "kid, public_key, sealed_private_key, created_at, signs_from, published_until"


async def current(db: Reader, *, now: datetime) -> SigningKey | None:
    """The key that signs: of the published ones whose time has come the newest."""
    row = await db.fetchrow(
        f"""
        SELECT {_COLUMNS} FROM signing_keys
         WHERE signs_from <= $1 AND (published_until IS NULL OR published_until > $1)
         ORDER BY signs_from DESC, kid
         LIMIT 1
        """,
        now,
    )
    return None if row is None else SigningKey(**row)


async def published(db: Reader, *, now: datetime) -> JsonWebKeySet:
    """The keys whose tokens count, the newest first."""
    rows = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM signing_keys
         WHERE published_until IS NULL OR published_until > $1
         ORDER BY created_at DESC, kid
        """,
        now,
    )
    return JsonWebKeySet(keys=[SigningKey(**row).published().to_jwk() for row in rows])


async def insert_if_none(tx: Tx, *, key: SigningKey) -> None:
    """Let this key be the newest, unless there is one already: of two processes at their first start one wins."""
    await tx.execute(
        """
        INSERT INTO signing_keys (kid, public_key, sealed_private_key, created_at, signs_from)
        VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT ((true)) WHERE published_until IS NULL DO NOTHING
        """,
        key.kid,
        key.public_key,
        key.sealed_private_key,
        key.created_at,
        key.signs_from,
    )


async def retire(tx: Tx, *, published_until: datetime) -> int:
    """Let no key be the newest any more, nor be published after this time; how many that changes."""
    return await tx.execute(
        """
        UPDATE signing_keys SET published_until = $1
         WHERE published_until IS NULL OR published_until > $1
        """,
        published_until,
    )


async def forget_unpublished(tx: Tx, *, before: datetime) -> int:
    """Drop the keys that are published no longer; how many."""
    return await tx.execute("DELETE FROM signing_keys WHERE published_until <= $1", before)
