"""`work`: the reactions, jobs, timetables, copies and intents of some services, without HTTP."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from datetime import timedelta

import uvloop

from moocflix.entrypoints.addresses import ServiceSettings, check_addresses
from moocflix.entrypoints.runtime import Runtime
from moocflix.entrypoints.services import SERVICES, chosen
from moocflix.platform import logs
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.events.bus import Bus
from moocflix.platform.events.groups import topics_by_source
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.process import die_with_parent
from moocflix.platform.service import Service, ServiceContext
from moocflix.platform.settings import Settings
from moocflix.platform.worker import Worker


def run(settings: Settings, names: tuple[str, ...]) -> None:
    """Work for these services until told to stop; for all, where none is named."""
    die_with_parent(parent=os.getppid())
    lines = logs.configure()
    services = chosen(names)
    try:
        uvloop.run(_work(settings, services))
    finally:
        lines.flush()


async def _work(settings: Settings, services: Sequence[Service]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    urls = DatabaseUrls.of(settings)
    runtime = _runtime(settings, services, urls)
    await runtime.start(broadcasts=False)
    worker = Worker(services, runtime.contexts, buses_of(services, urls, poll=settings.of(EventsSettings).poll_seconds))
    try:
        await worker.run(stop)
    finally:
        await runtime.stop()


def _runtime(settings: Settings, services: Sequence[Service], urls: DatabaseUrls) -> Runtime:
    """Where the services have addresses they are asked there; else all answer in memory, as beside one server."""
    addresses = settings.of(ServiceSettings)
    if not any(addresses.url(service.name) for service in SERVICES):
        return Runtime(settings, SERVICES, urls)
    check_addresses(settings, here=(), services=[service.name for service in SERVICES])
    return Runtime(settings, services, urls, answers=False, platform=SERVICES)


def buses_of(services: Sequence[Service], urls: DatabaseUrls, *, poll: float) -> dict[str, Bus]:
    """A connection to each database that holds these services or those whose events they follow; by service."""
    names = dict.fromkeys(service.name for service in services)
    for service in services:
        names.update(dict.fromkeys(topics_by_source(service)))
    by_url: dict[str, list[str]] = {}
    for name in names:
        by_url.setdefault(urls.bus_of(name), []).append(name)
    buses = {url: Bus(url, services=held, poll_seconds=poll) for url, held in by_url.items()}
    return {name: buses[urls.bus_of(name)] for name in names}


async def settle(
    contexts: Mapping[str, ServiceContext],
    services: Sequence[Service],
    *,
    urls: DatabaseUrls,
    ahead: timedelta = timedelta(0),
) -> None:
    """For tests: react to every event and run every job that is due within `ahead`, until all is quiet."""
    worker = Worker(services, contexts, buses_of(services, urls, poll=1.0))
    try:
        await worker.settle(ahead=ahead)
    finally:
        await worker.close()
