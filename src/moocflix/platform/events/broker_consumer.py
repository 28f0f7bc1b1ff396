"""A service's consumer group, as one worker process takes part in it over a broker.

Any number of workers may consume for a group. Each goes through what it gets in order, and its inbox rows make the
others wait and skip: so an effect happens once, and in order for each key, even while partitions change hands. The
broker is told only after the commit.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from moocflix.platform.events.broker import Broker, Subscription, topics_of_group
from moocflix.platform.events.envelope import Message
from moocflix.platform.events.inbox import LEASE, TOGETHER, Inbox, LeaseLost
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.failures import HINDERED
from moocflix.platform.service import Service, ServiceContext
from moocflix.platform.waiting import wait_at_most

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0
_RECEIVE_SECONDS = 1.0
_SETTLE_SECONDS = 0.5
# The row in the group's offsets that says when it first consumed over a broker.
_BROKER = "broker"

# Nobody holds the lease alone here: its token tells what was received before a rewind from what comes after.
_EPOCH = "SELECT token FROM leases WHERE name = $1 AND expires_at > '-infinity'"

# Let go of or seized, it is on the agenda until somebody has noticed that. Written only then: to write it is to wait
# for every reaction in hand.
_NOTICE = """
INSERT INTO leases AS held (name, holder, expires_at)
VALUES ($1, '00000000-0000-0000-0000-000000000000', clock_timestamp())
    ON CONFLICT (name) DO UPDATE SET expires_at = excluded.expires_at
RETURNING token
"""

_BEGAN = "SELECT updated_at FROM offsets WHERE source = $1"

# A group that has consumed over PostgreSQL is not new: whatever came after the first that it took is to be taken.
_BEGIN = """
INSERT INTO offsets AS kept (source, old_snapshot, updated_at)
VALUES ($1, '1:1:', coalesce(least((SELECT min(time) FROM inbox), (SELECT min(updated_at) FROM offsets)),
                             clock_timestamp()))
    ON CONFLICT (source) DO UPDATE SET updated_at = kept.updated_at
RETURNING updated_at
"""

_log = structlog.get_logger("moocflix.events")


class BrokerConsumer:
    """One process's part in a group."""

    def __init__(
        self, service: Service, context: ServiceContext, broker: Broker, *, late_start: timedelta | None = None
    ) -> None:
        """A group with a `late_start` leaves out what is older than that when it begins."""
        self.group = service.name
        self._topics = topics_of_group(service.reactions)
        self._inbox = Inbox(service, context)
        self._database = context.database
        self._settings = context.settings.of(EventsSettings)
        self._broker = broker
        self._late_start = late_start
        self._floor: datetime | None = None
        self._subscription: Subscription | None = None
        self._token: int | None = None
        self._due = True
        self._stopping = asyncio.Event()

    def wake(self, service: str) -> None:
        """Something is due in the schema of `service`; news come from the broker by themselves."""
        if service == self.group:
            self._due = True

    def look_everywhere(self) -> None:
        """Look for retries, too."""
        self._due = True

    def stop(self) -> None:
        """Take nothing new: `run` ends after the messages in hand."""
        self._stopping.set()

    async def run(self) -> None:
        """Consume until stopped. Raises what a part of it died of."""
        receiving = [self._prepare_and_receive] if self._topics else []
        tasks = [asyncio.create_task(self._insist(work)) for work in (self._retry_when_due, *receiving)]
        try:
            # What either dies of ends both.
            await asyncio.gather(*tasks)
        finally:
            # A client that connects may lose the cancellation: then its task ends with this, at its next turn.
            self.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.leave()

    async def step(self, *, ahead: timedelta = timedelta(0)) -> bool:
        """For tests: one round of retries and of receiving; whether anything was there."""
        if not self._topics:
            return False
        if self._subscription is None:
            await self._broker.prepare((), {self.group: self._topics})
        retried = await self._retry(ahead)
        return await self._receive(_SETTLE_SECONDS) or retried

    async def leave(self) -> None:
        """Leave the group."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.close()

    async def _insist(self, work: Callable[[], Any]) -> None:
        """Do this again and again; pause, ever longer, while a needed part is down."""
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            try:
                await work()
                pause = _FIRST_PAUSE
            except LeaseLost:
                self._token = None
            except HINDERED as error:
                cause = type(error.__cause__ or error).__name__
                _log.warning("group.paused", group=self.group, error=cause, seconds=pause)
                await wait_at_most(pause, self._stopping)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def _prepare_and_receive(self) -> None:
        if self._subscription is None:
            await self._broker.prepare((), {self.group: self._topics})
        await self._receive(_RECEIVE_SECONDS)

    async def _retry_when_due(self) -> None:
        if self._due:
            self._due = False
            # A rewind may have gone on to another.
            self._token = None
            try:
                await self._retry(timedelta(0))
            except BaseException:
                self._due = True
                raise
        await asyncio.sleep(self._settings.poll_seconds / 4)

    async def _retry(self, ahead: timedelta) -> bool:
        tried = False
        while not self._stopping.is_set() and await self._inbox.retry(token=await self._epoch(), ahead=ahead):
            tried = True
        return tried

    async def _receive(self, seconds: float) -> bool:
        if self._subscription is None:
            self._subscription = self._broker.subscribe(self.group, self._topics)
        deliveries = await self._subscription.receive(seconds)
        for number, delivery in enumerate(deliveries):
            try:
                if self._stopping.is_set():
                    break
                await self._take(delivery.messages)
            except BaseException:
                await self._subscription.again(deliveries[number:])
                raise
            await self._subscription.done(delivery)
        return bool(deliveries)

    async def _take(self, messages: Sequence[Message]) -> None:
        token = await self._epoch()
        floor = self._floor
        wanted = messages if floor is None else [message for message in messages if message.time >= floor]
        for start in range(0, len(wanted), TOGETHER):
            await self._inbox.take(wanted[start : start + TOGETHER], token=token)

    async def _epoch(self) -> int:
        """The token of the group's lease, which grows with each rewind."""
        if self._token is None:
            reader = self._database.reader
            if self._late_start is not None and self._floor is None:
                began = await reader.fetchval(_BEGAN, _BROKER) or await reader.fetchval(_BEGIN, _BROKER)
                self._floor = began - self._late_start
            self._token = await reader.fetchval(_EPOCH, LEASE) or await reader.fetchval(_NOTICE, LEASE)
        token: int | None = self._token
        if token is None:
            raise LeaseLost
        return token
