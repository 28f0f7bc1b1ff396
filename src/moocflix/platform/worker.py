"""A worker process: reactions, jobs, timetables, the filling of copies and the finishing of intents."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog

from moocflix.platform import intents, retention
from moocflix.platform.events import copies
from moocflix.platform.events.broker import Broker
from moocflix.platform.events.broker_consumer import BrokerConsumer
from moocflix.platform.events.consumer import Consumer
from moocflix.platform.events.groups import topics_by_source
from moocflix.platform.events.outboxes import Outboxes
from moocflix.platform.events.postgres import OutboxReader
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.failures import HINDERED
from moocflix.platform.job_runner import JobRunner
from moocflix.platform.service import Job, Service, ServiceContext

_PATIENCE_SECONDS = 10.0
_RETRY_SECONDS = 2.0
# What a group with effects outside its database looks back to when it reads for the first time.
_LATE_START = timedelta(hours=1)

_log = structlog.get_logger("moocflix.worker")


def all_jobs(service: Service) -> tuple[Job, ...]:
    """The service's own jobs, and those that the platform does for it."""
    own = service.jobs
    filling = (copies.filling(service),) if any(copy.pages for copy in service.copies) else ()
    finishing = (intents.recovery(service),) if service.intents else ()
    return (*own, *filling, *finishing, retention.pruning())


class Worker:
    """The work of some services in this process."""

    def __init__(
        self,
        services: Sequence[Service],
        contexts: Mapping[str, ServiceContext],
        outboxes: Mapping[str, Outboxes],
        *,
        broker: Broker | None = None,
    ) -> None:
        """By service: `contexts`, and `outboxes` of these services and, without a broker, of those they follow."""
        self._services = tuple(services)
        self._contexts = contexts
        self._outboxes = tuple(dict.fromkeys(outboxes.values()))
        self._broker = broker
        self._consumers = [
            _consumer(service, contexts[service.name], outboxes)
            if broker is None
            else _broker_consumer(service, contexts[service.name], broker)
            for service in services
        ]
        self._runners = {service.name: JobRunner(contexts[service.name], all_jobs(service)) for service in services}
        self._tasks: list[asyncio.Task[None]] = []
        for each in self._outboxes:
            each.listen(self._wake)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then finish the reactions in hand and give back the jobs.

        Raises what a part of it died of.
        """
        consuming = [self._start(consumer.run()) for consumer in self._consumers]
        working = [self._start(runner.run()) for runner in self._runners.values()]
        listening = [self._start(each.run()) for each in self._outboxes]
        preparing = self._start(self._prepare())
        stopped = asyncio.create_task(stop.wait())
        try:
            await self._until(stopped, [*consuming, *working, *listening], preparing)
        finally:
            stopped.cancel()
            for consumer in self._consumers:
                consumer.stop()
            for task in (*working, preparing):
                task.cancel()
            await asyncio.wait([*consuming, *working], timeout=_PATIENCE_SECONDS)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._disconnect()

    async def settle(self, *, ahead: timedelta = timedelta(0)) -> None:
        """For tests: do all that is to be done, and what is due within `ahead`, until nothing is left."""
        busy = True
        while busy:
            busy = False
            for consumer in self._consumers:
                consumer.look_everywhere()
                while await consumer.step(ahead=ahead):
                    busy = True
            for runner in self._runners.values():
                while await runner.run_one(ahead=ahead):
                    busy = True

    async def close(self) -> None:
        """After `settle`: let go of leases and connections."""
        for consumer in self._consumers:
            await consumer.leave()
        await self._disconnect()

    async def _disconnect(self) -> None:
        for each in self._outboxes:
            await each.close()
        if self._broker is not None:
            await self._broker.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.append(task)
        return task

    async def _until(
        self, stopped: "asyncio.Task[Any]", endless: Sequence["asyncio.Task[None]"], preparing: "asyncio.Task[None]"
    ) -> None:
        watched: set[asyncio.Task[Any]] = {stopped, preparing, *endless}
        while not stopped.done():
            done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            watched -= done
            for task in done - {stopped}:
                task.result()

    async def _prepare(self) -> None:
        while True:
            try:
                await self.prepare()
            except HINDERED as error:
                _log.warning("worker.away", error=type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                break
        # Whatever was due before this process was there.
        for runner in self._runners.values():
            runner.wake()

    async def prepare(self) -> None:
        """Bring the timetables up to date, and have new and lost copies filled."""
        for service in self._services:
            await self._runners[service.name].prepare()
            await copies.want_all(service, self._contexts[service.name])

    def _wake(self, service: str) -> None:
        for consumer in self._consumers:
            consumer.wake(service)
        if service in self._runners:
            self._runners[service].wake()


def _consumer(service: Service, context: ServiceContext, outboxes: Mapping[str, Outboxes]) -> Consumer:
    settings = context.settings.of(EventsSettings)
    start = None if service.rewindable else _LATE_START
    logs = [
        OutboxReader(outboxes[source], source=source, topics=topics, batch=settings.batch, start=start)
        for source, topics in topics_by_source(service).items()
    ]
    return Consumer(service, context, logs)


def _broker_consumer(service: Service, context: ServiceContext, broker: Broker) -> BrokerConsumer:
    return BrokerConsumer(service, context, broker, late_start=None if service.rewindable else _LATE_START)
