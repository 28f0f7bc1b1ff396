"""A service's consumer group in one worker process: reads the logs it follows, hands messages to the inbox."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic

import structlog

from moocflix.platform import leases
from moocflix.platform.events.inbox import LEASE, TOGETHER, Inbox, LeaseLost
from moocflix.platform.events.postgres import Batch, OutboxReader, Position, positions, save
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.failures import HINDERED, describe
from moocflix.platform.ids import new_id
from moocflix.platform.service import Service, ServiceContext
from moocflix.platform.waiting import wait_at_most

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0
# While another worker has the group, news are that one's: its lease is asked for no more often than this.
_STAND_BY_SECONDS = 1.0
# A position that moved past nothing of ours is kept no more often than this.
_SAVE_SECONDS = 60.0

_log = structlog.get_logger("moocflix.events")


class Consumer:
    """One group's consumption of all the sources that it follows.

    The lease is taken when there is something to do and renewed only then: a service at rest keeps no connection.
    """

    def __init__(self, service: Service, context: ServiceContext, logs: Sequence[OutboxReader]) -> None:
        """`logs` are those of the sources of the service's reactions."""
        self.group = service.name
        self._inbox = Inbox(service, context)
        self._database = context.database
        self._settings = context.settings.of(EventsSettings)
        self._logs = {log.source: log for log in logs}
        self._holder = new_id()
        self._token: int | None = None
        self._renewed = 0.0
        self._positions: dict[str, Position] = {}
        self._saved: dict[str, float] = {}
        self._news = set(self._logs)
        self._woken = asyncio.Event()
        self._woken.set()
        self._stopping = asyncio.Event()

    def wake(self, service: str) -> None:
        """News in the outbox of `service`, or, where it is our own, something due."""
        if service in self._logs:
            self._news.add(service)
            self._woken.set()
        elif service == self.group:
            # It may be that the group was rewound: whether the lease is still ours is asked anew.
            self._renewed = float("-inf")
            self._woken.set()

    async def run(self) -> None:
        """Consume until stopped."""
        pause = _FIRST_PAUSE
        try:
            while not self._stopping.is_set():
                await self._woken.wait()
                self._woken.clear()
                try:
                    await self._until_quiet()
                    pause = _FIRST_PAUSE
                    if self._token is None:
                        await self._stand_by()
                except HINDERED as error:
                    _log.warning("group.paused", group=self.group, error=describe(error), seconds=pause)
                    await self._again_after(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE)
        finally:
            await self.leave()

    def stop(self) -> None:
        """Take nothing new: `run` ends after the messages in hand."""
        self._stopping.set()
        self._woken.set()

    async def step(self, *, ahead: timedelta = timedelta(0)) -> bool:
        """One round of retries and of reading each log that has news; whether anything was there."""
        if not await self._hold():
            return False
        try:
            retried = await self._retry(ahead)
            read = [await self._read(self._logs[source]) for source in sorted(self._news)]
        except LeaseLost:
            self._token = None
            return True
        return retried or any(read)

    def look_everywhere(self) -> None:
        """Take every log as having news."""
        self._news.update(self._logs)
        self._woken.set()

    async def _until_quiet(self) -> None:
        while not self._stopping.is_set() and await self.step():
            pass

    async def _stand_by(self) -> None:
        """Another worker has the group: look again at the next news, or when its lease may have ended."""
        await wait_at_most(_STAND_BY_SECONDS, self._stopping)
        await wait_at_most(self._settings.lease_seconds, self._woken)
        self._woken.set()

    async def _again_after(self, seconds: float) -> None:
        await wait_at_most(seconds, self._stopping)
        self.look_everywhere()

    async def _hold(self) -> bool:
        """Have the lease, renewed when a third of its time has passed; a new token means that others were here."""
        seconds = self._settings.lease_seconds
        if self._token is not None and monotonic() - self._renewed < seconds / 3:
            return True
        began = monotonic()
        token = await leases.take(self._database.reader, LEASE, holder=self._holder, seconds=seconds)
        if token is None:
            self._token = None
            return False
        if token != self._token:
            self._positions = await positions(self._database.reader)
            self._news.update(self._logs)
        self._token, self._renewed = token, began
        return True

    async def _retry(self, ahead: timedelta) -> bool:
        tried = False
        for _ in range(self._settings.batch):
            if self._stopping.is_set() or not await self._inbox.retry(token=self._held(), ahead=ahead):
                break
            tried = True
        return tried

    async def _read(self, log: OutboxReader) -> bool:
        """Read and handle one batch; whether there may be more."""
        self._news.discard(log.source)
        try:
            position = self._positions.get(log.source) or await log.beginning()
            batch = await log.read(position)
            for start in range(0, len(batch.messages), TOGETHER):
                if self._stopping.is_set():
                    return False
                await self._inbox.take(batch.messages[start : start + TOGETHER], token=self._held())
            await self._keep(log.source, batch)
        except BaseException:
            self._news.add(log.source)
            raise
        if batch.more:
            self._news.add(log.source)
        return batch.more or bool(batch.messages)

    async def _keep(self, source: str, batch: Batch) -> None:
        self._positions[source] = batch.position
        if batch.messages or batch.more or monotonic() - self._saved.get(source, 0.0) > _SAVE_SECONDS:
            reader = self._database.reader
            if not await save(reader, batch.position, source=source, lease=LEASE, token=self._held()):
                raise LeaseLost
            self._saved[source] = monotonic()

    def _held(self) -> int:
        if self._token is None:
            raise LeaseLost
        return self._token

    async def leave(self) -> None:
        """Let go of the lease, so that another worker need not wait for its end."""
        if self._token is None:
            return
        try:
            await leases.release(self._database.reader, LEASE, holder=self._holder)
        except HINDERED:
            return
