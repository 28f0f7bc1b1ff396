"""The inbox: each message takes effect once, and one that fails holds up nothing but its key.

A reaction runs in one transaction with the row that marks its message as taken. A message that fails moves, with
every later one of its key, to the group's retry table; after the last try it is parked as a dead letter and its key
goes on. Where messages come from, and how far a group has read, is not this module's matter.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import structlog

from moocflix.platform.database.transaction import Tx
from moocflix.platform.errors import CopyMissing
from moocflix.platform.events import dead_letters
from moocflix.platform.events.cloudevents import stand_in, stands_in
from moocflix.platform.events.copies import fill
from moocflix.platform.events.envelope import Message
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.failures import AWAY, describe
from moocflix.platform.service import Reaction, Service, ServiceContext
from moocflix.platform.spans import begin as begin_span
from moocflix.platform.trace import set_trace, trace_of

LEASE = "events"
"""The lease that makes a process the group's one consumer."""

TOGETHER = 10
"""How many messages share a transaction when many wait; fails one, each gets its own."""

_GROWTH = 4

# The lease is locked for as long as the reaction takes: a rewind waits for it, and then forgets it with the rest.
_TAKE = """
  WITH held AS (SELECT FROM leases WHERE name = $1 AND token = $2 FOR SHARE),
       taken AS (INSERT INTO inbox (message_id, source, topic, time)
                 SELECT id, $3, topic, time
                   FROM held, unnest($4::uuid[], $5::text[], $6::timestamptz[]) AS message (id, topic, time)
                     ON CONFLICT DO NOTHING
              RETURNING message_id)
SELECT EXISTS (SELECT FROM held) AS held,
       ARRAY (SELECT message_id FROM taken) AS taken,
       ARRAY (SELECT DISTINCT key FROM retries WHERE source = $3 AND key = ANY ($7::text[])) AS blocked
"""

# A follower is due with the first of its key, and never before it.
_MOVE = f"""
INSERT INTO retries ({dead_letters.COLUMNS}, attempts, due_at, error)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb, $10,
       coalesce((SELECT max(due_at) FROM retries WHERE source = $2 AND key = $4),
                clock_timestamp() + make_interval(secs => $11)), $12
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - a constant of this module

_BLOCKED = "SELECT DISTINCT key FROM retries WHERE source = $1 AND key = ANY ($2::text[])"

_FIRST_DUE = """
  WITH held AS (SELECT FROM leases WHERE name = $2 AND token = $3 FOR SHARE)
SELECT message_id, source, topic, key, subject, time, correlation_id, traceparent, data::text AS data, attempts
  FROM retries AS first
 WHERE due_at <= clock_timestamp() + $1::interval
   AND EXISTS (SELECT FROM held)
   AND NOT EXISTS (SELECT FROM retries AS earlier
                    WHERE earlier.source = first.source AND earlier.key = first.key
                      AND earlier.position < first.position)
 ORDER BY due_at, position
 LIMIT 1
   FOR UPDATE OF first SKIP LOCKED
"""

_REMOVE = "DELETE FROM retries WHERE message_id = $1"

_FAIL_AGAIN = "UPDATE retries SET attempts = $2, error = $3 WHERE message_id = $1 AND attempts = $2 - 1"

_PUT_OFF = """
UPDATE retries SET due_at = clock_timestamp() + make_interval(secs => $3) WHERE source = $1 AND key = $2
"""

_log = structlog.get_logger("moocflix.events")


class LeaseLost(Exception):
    """Another process consumes for this group by now."""


class Inbox:
    """One group's reactions."""

    def __init__(self, service: Service, context: ServiceContext) -> None:
        """The group is the service's; its tables are in the service's schema."""
        self._service = service
        self._context = context
        self._database = context.database
        self._settings = context.settings.of(EventsSettings)
        self._reactions: dict[str, list[Reaction]] = {}
        for reaction in service.reactions:
            self._reactions.setdefault(reaction.topic.name, []).append(reaction)
        self._decoders: dict[str, msgspec.json.Decoder[Any]] = {
            reaction.topic.name: msgspec.json.Decoder(reaction.topic.payload) for reaction in service.reactions
        }

    async def take(self, messages: Sequence[Message], *, token: int) -> None:
        """Take charge of a few messages of one source, in their order: handle them, or move them to the retries.

        Raises one of AWAY when a needed part is down, LeaseLost when the group is another's; what nobody took charge
        of then comes again.
        """
        try:
            await self._handle(messages, token)
        except (LeaseLost, *AWAY):
            if len(messages) == 1:
                raise
            await self._take_singly(messages, token)
        except Exception as error:  # noqa: BLE001 - the edge of a reaction: whatever it is, it is recorded
            if len(messages) == 1:
                await self._failed(messages[0], token, error)
            else:
                await self._take_singly(messages, token)

    async def retry(self, *, token: int, ahead: timedelta = timedelta(0)) -> bool:
        """Try the message that is due first once more; False when none is due within `ahead`."""
        message, attempts = None, 0
        try:
            async with self._database.transaction() as tx:
                row = await tx.fetchrow(_FIRST_DUE, ahead, LEASE, token)
                if row is None:
                    return False
                message, attempts = _message(row), row["attempts"]
                await self._react(tx, message)
                await tx.execute(_REMOVE, message.id)
        except AWAY:
            raise
        except Exception as error:
            if message is None:
                raise
            await self._again(message, attempts + 1, error)
        return True

    async def _take_singly(self, messages: Sequence[Message], token: int) -> None:
        for message in messages:
            await self.take([message], token=token)

    async def _handle(self, messages: Sequence[Message], token: int) -> None:
        async with self._database.transaction() as tx:
            taken, blocked = await self._mark(tx, messages, token)
            for message in messages:
                if message.id in taken:
                    # It may be there twice: a relay that heard no answer has sent it again.
                    taken.remove(message.id)
                    if message.key in blocked:
                        await self._move(tx, message, attempts=0, error=None)
                    else:
                        await self._react(tx, message)

    async def _mark(self, tx: Tx, messages: Sequence[Message], token: int) -> tuple[set[Any], set[str]]:
        row = await tx.fetchrow(
            _TAKE,
            LEASE,
            token,
            messages[0].source,
            [message.id for message in messages],
            [message.topic for message in messages],
            [message.time for message in messages],
            [message.key for message in messages],
        )
        if row is None or not row["held"]:
            raise LeaseLost
        blocked = set(row["blocked"])
        if len(row["taken"]) < len(messages):
            # Another consumer may have taken one of them while this statement waited, and moved it to the retries.
            keys = [message.key for message in messages]
            blocked = {found["key"] for found in await tx.fetch(_BLOCKED, messages[0].source, keys)}
        return set(row["taken"]), blocked

    async def _react(self, tx: Tx, message: Message) -> None:
        trace = trace_of(message.correlation_id, message.traceparent)
        span = begin_span(f"{self._service.name} reacts to {message.topic}", trace, kind="consumer")
        set_trace(trace if span is None else span.trace)
        event = self._decoders[message.topic].decode(message.data)
        for reaction in self._reactions[message.topic]:
            await reaction.run(tx, event, message)
        if span is not None:
            span.end(moocflix_service=self._service.name, messaging_message_id=str(message.id))
            # What the worker does next is no part of it.
            set_trace(trace_of(message.correlation_id, None))

    async def _failed(self, message: Message, token: int, error: Exception) -> None:
        """The first try failed: take charge of the message by moving it."""
        if isinstance(error, CopyMissing):
            try:
                if await self._filled(error):
                    return await self._handle([message], token)
            except (LeaseLost, *AWAY):
                raise
            except Exception as later:  # noqa: BLE001 - the edge of a reaction: whatever it is, it is recorded
                error = later
        self._report(message, 1, error)
        try:
            await self._put_aside(message, token, error)
        except asyncpg.DataError as refused:
            # Of what strangers send, something is not to be kept that nobody has thought of.
            kept = stand_in(
                str(message.id), topic=message.topic, source=message.source, key=message.key, data=message.data
            )
            await self._put_aside(kept, token, refused)

    async def _filled(self, missing: CopyMissing) -> bool:
        """Whether the copy is there now. Raises what its owner's answer does."""
        return await fill(self._service, self._context, missing.entity, missing.entity_id)

    async def _put_aside(self, message: Message, token: int, error: Exception) -> None:
        async with self._database.transaction() as tx:
            taken, _ = await self._mark(tx, [message], token)
            if message.id not in taken:
                return
            if self._is_last(message, 1):
                await self._park(tx, message, 1, error)
            else:
                await self._move(tx, message, attempts=1, error=error)

    async def _again(self, message: Message, attempts: int, error: Exception) -> None:
        """A later try failed: the key waits longer, or goes on without this message."""
        if isinstance(error, CopyMissing):
            try:
                await self._filled(error)
            except AWAY:
                raise
            except Exception as later:  # noqa: BLE001 - the edge of a reaction: whatever it is, it is recorded
                error = later
        self._report(message, attempts, error)
        async with self._database.transaction() as tx:
            if not await tx.execute(_FAIL_AGAIN, message.id, attempts, describe(error)):
                return
            if self._is_last(message, attempts):
                await self._park(tx, message, attempts, error)
                await tx.execute(_REMOVE, message.id)
            else:
                await tx.execute(_PUT_OFF, message.source, message.key, self._wait(attempts))

    async def _move(self, tx: Tx, message: Message, *, attempts: int, error: Exception | None) -> None:
        text = None if error is None else describe(error)
        await tx.execute(_MOVE, *dead_letters.columns_of(message), attempts, self._wait(attempts), text)

    async def _park(self, tx: Tx, message: Message, attempts: int, error: Exception) -> None:
        copied = self._settings.bus != "postgres"
        await dead_letters.park(tx, message, attempts=attempts, error=describe(error), copied=copied)

    def _is_last(self, message: Message, attempts: int) -> bool:
        """Whether there is no other try. What cannot be read would be the same bytes again."""
        return attempts >= self._settings.attempts or stands_in(message)

    def _wait(self, attempts: int) -> float:
        if attempts == 0:
            return 0.0
        seconds: float = self._settings.backoff_seconds * _GROWTH ** (attempts - 1)
        return min(seconds, self._settings.backoff_limit_seconds)

    def _report(self, message: Message, attempts: int, error: Exception) -> None:
        _log.error(
            "event.parked" if self._is_last(message, attempts) else "event.failed",
            group=self._service.name,
            topic=message.topic,
            message_id=str(message.id),
            key=message.key,
            attempts=attempts,
            error=describe(error),
        )


def _message(row: Any) -> Message:
    return Message(
        id=row["message_id"],
        topic=row["topic"],
        key=row["key"],
        subject=row["subject"],
        source=row["source"],
        time=row["time"],
        data=row["data"].encode(),
        correlation_id=row["correlation_id"],
        traceparent=row["traceparent"],
    )
