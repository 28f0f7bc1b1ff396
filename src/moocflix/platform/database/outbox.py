"""The outbox: a row for each event, written in the transaction of the change that it tells of."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

import msgspec

from moocflix.platform.ids import new_id
from moocflix.platform.trace import Trace

if TYPE_CHECKING:
    # By name only: events stand above the database.
    from moocflix.platform.events.envelope import Payload, Topic

P = TypeVar("P", bound="Payload")

# Money is a number, as in answers.
_encoder = msgspec.json.Encoder(decimal_format="number")

# The numbers are handed out in the order of the arrays, so that one transaction's events keep theirs.
_INSERT = """
INSERT INTO outbox (id, topic, key, subject, correlation_id, traceparent, data)
SELECT id, topic, key, subject, correlation_id, traceparent, data::jsonb
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
       WITH ORDINALITY AS event (id, topic, key, subject, correlation_id, traceparent, data, position)
 ORDER BY position
"""


class OutboxRow(NamedTuple):
    """One event on its way; `data` is the payload's JSON."""

    id: UUID
    topic: str
    key: str
    subject: str
    correlation_id: str
    traceparent: str | None
    data: str

    @classmethod
    def of(cls, topic: "Topic[P]", payload: P, trace: Trace) -> "OutboxRow":
        """The row that tells of `payload`."""
        key = str(getattr(payload, topic.key))
        subject = str(getattr(payload, topic.subject)) if topic.subject else key
        data = _encoder.encode(payload).decode()
        return cls(new_id(), topic.name, key, subject, trace.correlation_id, trace.traceparent, data)


class _Executes(Protocol):
    async def execute(self, query: str, *args: Any) -> Any: ...


async def insert_rows(connection: _Executes, rows: Sequence[OutboxRow]) -> None:
    """Write the rows in their order."""
    await connection.execute(_INSERT, *(list(column) for column in zip(*rows, strict=True)))
