"""Making, changing and forgetting signing keys."""

from datetime import datetime

from moocflix.platform.database.transaction import Tx
from moocflix.services.users.signing_key import sql
from moocflix.services.users.signing_key.model import SigningKey


async def make_first(tx: Tx, *, key: SigningKey) -> None:
    """See to it that a key signs: this one, where there is none."""
    await sql.insert_if_none(tx, key=key)


async def rotate(tx: Tx, *, key: SigningKey, keep_until: datetime) -> None:
    """Publish this key, which signs when its time has come. Those before count until `keep_until`, for their tokens."""
    await sql.forget_unpublished(tx, before=key.created_at)
    await sql.retire(tx, published_until=keep_until)
    await sql.insert_if_none(tx, key=key)
