"""Dead letters: messages that failed for good, in the schema of the group that could not handle them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from moocflix.platform.database.transaction import Reader, Tx
from moocflix.platform.events.broker import dead_letter_address
from moocflix.platform.events.envelope import Message
from moocflix.platform.ids import new_id

COLUMNS = "message_id, source, topic, key, subject, time, correlation_id, traceparent, data"
"""Of a message, here and among the retries, in the order of `columns_of`."""

_PARK = f"""
INSERT INTO dead_letters ({COLUMNS}, attempts, error)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb, $10, $11)
    ON CONFLICT (message_id) DO UPDATE
   SET attempts = excluded.attempts, error = excluded.error, parked_at = clock_timestamp()
"""  # noqa: S608 - a constant of this module

# For the broker: the row above is the truth, and this copy tells others of it. Written out, what fitted in a record may
# have become larger than one may be (five characters of 1e300 are 301), and would stay in front of the outbox for good.
_COPY = """
INSERT INTO outbox (id, topic, key, subject, correlation_id, traceparent, data)
SELECT $1, $2, $3, $4, $5, $6,
       CASE WHEN octet_length(data::text) <= $8 THEN data
            ELSE jsonb_build_object('tooLarge', octet_length(data::text)) END
  FROM (SELECT $7::text::jsonb AS data) AS message
"""
_LARGEST_COPY = 500_000

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


async def park(tx: Tx, message: Message, *, attempts: int, error: str, copied: bool) -> None:
    """Keep it as one that failed for good; `copied`: and tell the broker of it."""
    await tx.execute(_PARK, *columns_of(message), attempts, error)
    if copied:
        topic, data = dead_letter_address(message.topic), message.data.decode()
        trace = (message.correlation_id, message.traceparent)
        await tx.execute(_COPY, new_id(), topic, message.key, message.subject, *trace, data, _LARGEST_COPY)
        tx.wake()


def columns_of(message: Message) -> tuple[Any, ...]:
    """What COLUMNS hold of it."""
    return (
        message.id,
        message.source,
        message.topic,
        message.key,
        message.subject,
        message.time,
        message.correlation_id,
        message.traceparent,
        message.data.decode(),
    )


async def listing(db: Reader, *, topic: str | None = None, limit: int = 100) -> list[DeadLetter]:
    """The oldest ones, of one topic or of all."""
    return [DeadLetter.from_row(row) for row in await db.fetch(_LIST, topic, limit)]


async def replay(tx: Tx, *, ids: Sequence[UUID] | None = None, topic: str | None = None) -> int:
    """Have these (None: all) tried again; how many. The worker finds them within its poll."""
    return await tx.execute(_REPLAY, None if ids is None else list(ids), topic)


async def drop(tx: Tx, *, ids: Sequence[UUID] | None = None, topic: str | None = None) -> int:
    """Forget these (None: all) for good; how many."""
    return await tx.execute(_DROP, None if ids is None else list(ids), topic)
