"""Dead letters: messages that failed for good, in the schema of the group that could not handle them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from moocflix.platform.database.transaction import Reader, Tx

_LIST = """
SELECT message_id, source, topic, key, subject, time, attempts, error, parked_at, data::text AS data
  FROM dead_letters
 WHERE $1::text IS NULL OR topic = $1
 ORDER BY parked_at, message_id
 LIMIT $2
"""

# Back into the retries, in the order in which they were published, with all their tries.
_REPLAY = """
WITH taken AS (
    DELETE FROM dead_letters
     WHERE ($1::uuid[] IS NULL OR message_id = ANY ($1)) AND ($2::text IS NULL OR topic = $2)
    RETURNING message_id, source, topic, key, subject, time, correlation_id, traceparent, data, error)
INSERT INTO retries (message_id, source, topic, key, subject, time, correlation_id, traceparent, data,
                     attempts, due_at, error)
SELECT message_id, source, topic, key, subject, time, correlation_id, traceparent, data,
       0, clock_timestamp(), error
  FROM taken
 ORDER BY time, message_id
    ON CONFLICT (message_id) DO NOTHING
"""

_DROP = """
DELETE FROM dead_letters
 WHERE ($1::uuid[] IS NULL OR message_id = ANY ($1)) AND ($2::text IS NULL OR topic = $2)
"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One parked message; `data` is the payload's JSON."""

    message_id: UUID
    source: str
    topic: str
    key: str
    subject: str
    time: datetime
    attempts: int
    error: str
    parked_at: datetime
    data: str

    @classmethod
    def from_row(cls, row: Any) -> "DeadLetter":
        """A row of `dead_letters`."""
        return cls(**dict(row))


async def listing(db: Reader, *, topic: str | None = None, limit: int = 100) -> list[DeadLetter]:
    """The oldest ones, of one topic or of all."""
    return [DeadLetter.from_row(row) for row in await db.fetch(_LIST, topic, limit)]


async def replay(tx: Tx, *, ids: Sequence[UUID] | None = None, topic: str | None = None) -> int:
    """Have these (None: all) tried again; how many. The worker finds them within its poll."""
    return await tx.execute(_REPLAY, None if ids is None else list(ids), topic)


async def drop(tx: Tx, *, ids: Sequence[UUID] | None = None, topic: str | None = None) -> int:
    """Forget these (None: all) for good; how many."""
    return await tx.execute(_DROP, None if ids is None else list(ids), topic)
