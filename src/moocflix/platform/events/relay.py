"""The relay: what commits leave in the outboxes goes to the broker, in order for each key.

An outbox is divided into buckets by key. One relay at a time has the lease of a bucket, sends its next events only
after the broker has acknowledged the ones before, and marks how far it has come after that. A relay that was away and
comes back may send events once more, in their order; inboxes know them.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Protocol

import structlog

from moocflix.platform import spans
from moocflix.platform.errors import Unavailable
from moocflix.platform.events.broker import Broker, Parcel
from moocflix.platform.events.envelope import Message, Topic
from moocflix.platform.events.outboxes import Fetches, Outboxes, schema_of
from moocflix.platform.events.postgres import BUCKETS, Batch, OutboxReader, Position
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.ids import new_id
from moocflix.platform.trace import trace_of
from moocflix.platform.waiting import wait_at_most

_RETRY_SECONDS = 1.0
# At rest an event goes out at once; under load those of so long go together, which spares everybody's processor.
_PAUSE_SECONDS = 0.01
# A position that moved past no event is marked no more often than this.
_MARK_SECONDS = 60.0

# A lease that is longer than it can be is of a clock that has been set back since.
_TAKE = """
INSERT INTO {schema}.relays AS held (bucket, holder, token, expires_at)
VALUES ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))
    ON CONFLICT (bucket) DO UPDATE
   SET holder = excluded.holder, expires_at = excluded.expires_at,
       token = held.token + CASE WHEN held.holder = excluded.holder THEN 0 ELSE 1 END
 WHERE held.holder = excluded.holder
    OR held.expires_at NOT BETWEEN clock_timestamp() AND clock_timestamp() + make_interval(secs => $3)
RETURNING token, old_snapshot::text, new_snapshot::text, last_seq
"""

# A mark that a crash of the server takes away costs a repetition, not an event: its commit waits for no disk.
_MARK = """
UPDATE {schema}.relays
   SET old_snapshot = $3::text::pg_snapshot, new_snapshot = $4::text::pg_snapshot, last_seq = $5,
       updated_at = clock_timestamp()
 WHERE bucket = $1 AND token = $2
RETURNING set_config('synchronous_commit', 'off', true) AS marked
"""

_RELEASE = "UPDATE {schema}.relays SET expires_at = '-infinity' WHERE bucket = $1 AND token = $2"

_log = structlog.get_logger("moocflix.relay")


class Sends(Protocol):
    """Where the events of a bucket go."""

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        """Returns once every one is acknowledged. Raises Unavailable."""


class BucketRelay:
    """One bucket of one service's outbox."""

    def __init__(
        self, outboxes: Fetches, broker: Sends, *, source: str, bucket: int, aliases: Mapping[str, Sequence[str]],
        settings: EventsSettings,
    ) -> None:  # fmt: skip
        """`aliases` are the other names of topics under which an event goes out too."""
        self._name = f"{source}/{bucket}"
        self._outboxes = outboxes
        self._broker = broker
        self._bucket = bucket
        self._aliases = aliases
        self._lease_seconds = settings.lease_seconds
        self._reader = OutboxReader(outboxes, source=source, bucket=bucket, batch=settings.relay_batch)
        self._take, self._mark, self._let_go = (
            sql.format(schema=schema_of(source)) for sql in (_TAKE, _MARK, _RELEASE)
        )
        self._holder = new_id()
        self._token: int | None = None
        self._renewed = 0.0
        self._marked = 0.0
        self._position = Position()

    async def step(self) -> bool | None:
        """Send what comes next; whether there may be more, or None while another relay has the bucket.

        Raises Unavailable.
        """
        if not await self._hold():
            return None
        batch = await self._reader.read(self._position)
        if batch.messages:
            await self._send(batch.messages)
        if not await self._keep(batch):
            self._token = None
            return True
        return batch.more

    async def leave(self) -> None:
        """Let go of the bucket, so that another need not wait for the lease to end."""
        token, self._token = self._token, None
        if token is not None:
            with suppress(Unavailable):
                await self._outboxes.fetch(self._let_go, self._bucket, token)

    async def _send(self, messages: Sequence[Message]) -> None:
        begun = [_span(message) for message in messages] if spans.is_on() else []
        sent = False
        try:
            await self._broker.publish([parcel for message in messages for parcel in self._parcels(message)])
            sent = True
        finally:
            for span in begun:
                if span is not None:
                    span.end(failed=not sent)

    async def _hold(self) -> bool:
        if self._token is not None and monotonic() - self._renewed < self._lease_seconds / 3:
            return True
        began = monotonic()
        rows = await self._outboxes.fetch(self._take, self._bucket, self._holder, self._lease_seconds)
        if not rows:
            self._token = None
            return False
        if rows[0]["token"] != self._token:
            self._position = Position.from_row(rows[0])
            _log.info("bucket.taken", bucket=self._name)
        self._token, self._renewed = rows[0]["token"], began
        return True

    async def _keep(self, batch: Batch) -> bool:
        """Mark the position, where that is worth it; False when the bucket is another's by now."""
        self._position = at = batch.position
        if not batch.messages and not batch.more and monotonic() - self._marked < _MARK_SECONDS:
            return True
        self._marked = monotonic()
        return bool(await self._outboxes.fetch(self._mark, self._bucket, self._token, at.old, at.new, at.last_seq))

    def _parcels(self, message: Message) -> list[Parcel]:
        return [
            Parcel(message.topic, message),
            *(Parcel(alias, message) for alias in self._aliases.get(message.topic, ())),
        ]


def _span(message: Message) -> spans.Span | None:
    trace = trace_of(message.correlation_id, message.traceparent)
    return spans.below(f"relay sends {message.topic}", trace, kind="producer")


class Relay:
    """All buckets of some services' outboxes, in one process."""

    def __init__(
        self,
        sources: Sequence[str],
        outboxes: Mapping[str, Outboxes],
        broker: Broker,
        *,
        topics: Sequence[Topic[Any]],
        groups: Mapping[str, Sequence[Topic[Any]]],
        settings: EventsSettings,
    ) -> None:
        """`topics` are what these sources publish; `groups` all who react, with what they react to."""
        self._broker = broker
        self._topics = topics
        self._groups = groups
        self._lease_seconds = settings.lease_seconds
        self._outboxes = tuple(dict.fromkeys(outboxes[source] for source in sources))
        aliases = {topic.name: topic.aliases for topic in topics} if settings.aliases else {}
        self._buckets = {
            source: [
                BucketRelay(
                    outboxes[source], broker, source=source, bucket=bucket, aliases=aliases,
                    settings=settings,
                )
                for bucket in range(BUCKETS)
            ]
            for source in sources
        }  # fmt: skip
        self._news = {source: [asyncio.Event() for _ in buckets] for source, buckets in self._buckets.items()}
        self._ending = False
        for each in self._outboxes:
            each.listen(self._wake)

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop` is set. Raises what a part of it died of."""
        tasks = [asyncio.create_task(each.run()) for each in self._outboxes]
        relaying = asyncio.create_task(self._relay())
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait({stopped, relaying, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()
        finally:
            # A client that connects may lose the cancellation: then its task ends with this, at its next turn.
            self._ending = True
            for each in (*tasks, relaying, stopped):
                each.cancel()
            await asyncio.gather(*tasks, relaying, stopped, return_exceptions=True)
            await self.close()

    async def settle(self) -> None:
        """For tests: send all that is there."""
        await self._broker.prepare(self._topics, self._groups)
        for buckets in self._buckets.values():
            for bucket in buckets:
                while await bucket.step():
                    pass

    async def close(self) -> None:
        """Let go of all buckets and of the connections."""
        for buckets in self._buckets.values():
            for bucket in buckets:
                await bucket.leave()
        for each in self._outboxes:
            await each.close()
        await self._broker.close()

    async def _relay(self) -> None:
        await self._prepare()
        async with asyncio.TaskGroup() as group:
            for source, buckets in self._buckets.items():
                for bucket, news in zip(buckets, self._news[source], strict=True):
                    group.create_task(self._until_ended(bucket, news))

    async def _prepare(self) -> None:
        while not self._ending:
            try:
                await self._broker.prepare(self._topics, self._groups)
            except Unavailable as error:
                _log.warning("relay.waits", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    async def _until_ended(self, bucket: BucketRelay, news: asyncio.Event) -> None:
        more: bool | None = True
        while not self._ending:
            if not more:
                # News of another's bucket are the other's; it is looked at again when its lease may have ended.
                await asyncio.sleep(_RETRY_SECONDS if more is None else _PAUSE_SECONDS)
                await wait_at_most(self._lease_seconds, news)
            news.clear()
            try:
                more = await bucket.step()
            except Unavailable as error:
                _log.warning("relay.paused", error=str(error), cause=type(error.__cause__).__name__)
                more = True
                await asyncio.sleep(_RETRY_SECONDS)

    def _wake(self, service: str) -> None:
        for news in self._news.get(service, ()):
            news.set()
