"""`work`: the reactions, jobs, timetables, copies and intents of some services, without HTTP."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from moocflix.entrypoints.addresses import check_addresses
from moocflix.entrypoints.process import alive, run_until_told
from moocflix.entrypoints.runtime import Runtime
from moocflix.entrypoints.services import SERVICES, chosen
from moocflix.entrypoints.settings import ServiceSettings
from moocflix.platform.database.urls import DatabaseUrls, has_own
from moocflix.platform.events.broker import Broker, topics_of_group
from moocflix.platform.events.brokers import open_broker
from moocflix.platform.events.groups import topics_by_source
from moocflix.platform.events.outboxes import Fetches, Outboxes, by_database
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.gauges import set_lag, set_waiting
from moocflix.platform.http.system import THIS_MACHINE
from moocflix.platform.metrics import Metrics
from moocflix.platform.networks import Networks
from moocflix.platform.service import Service, ServiceContext
from moocflix.platform.settings import HttpSettings, Settings
from moocflix.platform.worker import Worker


def run(settings: Settings, names: tuple[str, ...]) -> None:
    """Work for these services until told to stop; for all, where none is named."""
    run_until_told(partial(_work, settings, chosen(names)))


async def _work(settings: Settings, services: Sequence[Service], stop: asyncio.Event) -> None:
    urls = DatabaseUrls.of(settings)
    runtime = runtime_of(settings, services, urls)
    await runtime.start(broadcasts=False)
    broker, poll = open_broker(settings), settings.of(EventsSettings).poll_seconds
    # Over a broker, the databases of others are none of our business.
    outboxes = outboxes_of(services, urls, poll=poll, following=broker is None)
    worker = Worker(services, runtime.contexts, outboxes, broker=broker)
    lags = Lags(services, runtime.contexts, outboxes, broker)
    allowed = Networks([*THIS_MACHINE, *settings.of(HttpSettings).metrics_from])

    async def shown(address: str) -> Metrics | None:
        return await lags.metrics() if address in allowed else None

    try:
        async with alive(settings, metrics=shown):
            await worker.run(stop)
    finally:
        await runtime.stop()


@dataclass(frozen=True)
class Lags:
    """How far the groups of these services are behind: known where they are at work, in each mode."""

    services: Sequence[Service]
    contexts: Mapping[str, ServiceContext]
    outboxes: Mapping[str, Fetches]
    broker: Broker | None

    async def metrics(self) -> Metrics:
        """Raises Unavailable."""
        metrics = Metrics()
        for service in self.services:
            if self.broker is None:
                await set_lag(metrics, service, self.contexts[service.name].database, self.outboxes)
            elif service.reactions:
                set_waiting(metrics, await self.broker.waiting(service.name, topics_of_group(service.reactions)))
        return metrics


def runtime_of(settings: Settings, services: Sequence[Service], urls: DatabaseUrls) -> Runtime:
    """Where the services have addresses they are asked there; else all answer in memory, as beside one server.

    That takes the databases of all, so one that works for some of them apart is not asked in memory. Raises
    SettingsError.
    """
    addresses = settings.of(ServiceSettings)
    apart = len(services) < len(SERVICES) and any(has_own(settings, service.name) for service in SERVICES)
    if not apart and not any(addresses.url(service.name) for service in SERVICES):
        return Runtime(settings, SERVICES, urls)
    check_addresses(settings, here=(), services=[service.name for service in SERVICES])
    return Runtime(settings, services, urls, answers=False, platform=SERVICES)


def outboxes_of(
    services: Sequence[Service], urls: DatabaseUrls, *, poll: float, following: bool = True
) -> dict[str, Outboxes]:
    """A connection to each database that holds these services or, if `following`, those whose events they follow."""
    names = [service.name for service in services]
    followed = [source for service in services for source in topics_by_source(service)] if following else []
    return by_database([*names, *followed], urls.listener_of, poll=poll)
