"""Each service's copy of keys and revocations, for a start while users is away. Tables of the platform's migrations."""

from collections.abc import Sequence

from moocflix.platform.auth.published import JsonWebKey, Revocation
from moocflix.platform.database.transaction import Reader, Tx

_REVOCATIONS = "SELECT number, session_id, user_id, generation, expires_at FROM revocations ORDER BY number"

# A number comes again, for another revocation, only where users was restored from a backup.
_SAVE_REVOCATIONS = """
INSERT INTO revocations AS held (number, session_id, user_id, generation, expires_at)
SELECT DISTINCT ON (number) number, session_id, user_id, generation, expires_at
  FROM unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::integer[], $5::timestamptz[])
       WITH ORDINALITY AS new (number, session_id, user_id, generation, expires_at, position)
 ORDER BY number, position DESC
    ON CONFLICT (number) DO UPDATE
   SET session_id = excluded.session_id,
       user_id = excluded.user_id,
       generation = excluded.generation,
       expires_at = excluded.expires_at
 WHERE (held.session_id, held.user_id, held.generation, held.expires_at)
       IS DISTINCT FROM (excluded.session_id, excluded.user_id, excluded.generation, excluded.expires_at)
"""

_KEYS = "SELECT kid, x FROM token_keys ORDER BY kid"

_SAVE_KEYS = """
WITH gone AS (DELETE FROM token_keys WHERE kid <> ALL ($1::text[]))
INSERT INTO token_keys (kid, x)
SELECT kid, x FROM unnest($1::text[], $2::text[]) AS new (kid, x) ORDER BY kid
    ON CONFLICT (kid) DO NOTHING
"""


async def revocations(db: Reader) -> list[Revocation]:
    """All that the copy holds, in the order of their numbers."""
    return [Revocation(**row) for row in await db.fetch(_REVOCATIONS)]


async def save_revocations(tx: Tx, rows: Sequence[Revocation]) -> None:
    """Take these over, in the order of their numbers: two processes that do it at once do not block each other."""
    await tx.execute(
        _SAVE_REVOCATIONS,
        [row.number for row in rows],
        [row.session_id for row in rows],
        [row.user_id for row in rows],
        [row.generation for row in rows],
        [row.expires_at for row in rows],
    )


async def keys(db: Reader) -> list[JsonWebKey]:
    """The keys that the copy holds."""
    return [JsonWebKey(**row) for row in await db.fetch(_KEYS)]


async def save_keys(tx: Tx, published: Sequence[JsonWebKey]) -> None:
    """Let the copy hold exactly these."""
    await tx.execute(_SAVE_KEYS, [key.kid for key in published], [key.x for key in published])
