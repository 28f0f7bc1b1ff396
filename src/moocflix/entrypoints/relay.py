"""`relay`: brings the events of some services from their outboxes to the broker."""

import asyncio
from collections.abc import Sequence
from functools import partial

from moocflix.entrypoints.process import alive, run_until_told
from moocflix.entrypoints.services import SERVICES, chosen
from moocflix.platform import spans
from moocflix.platform.database.pool import Pool
from moocflix.platform.database.transaction import Database
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.events.brokers import groups_of, open_broker
from moocflix.platform.events.outboxes import by_database
from moocflix.platform.events.relay import Relay
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.migrations import check_code
from moocflix.platform.service import Service
from moocflix.platform.settings import Settings, SettingsError


def run(settings: Settings, names: tuple[str, ...]) -> None:
    """Relay for these services until told to stop; for all, where none is named.

    Raises SettingsError, and MigrationError where newer code has made the data.
    """
    if settings.of(EventsSettings).bus == "postgres":
        raise SettingsError("There is nothing to relay: events.bus is postgres, where the outboxes are the log.")
    run_until_told(partial(_relay, settings, chosen(names)))


async def _relay(settings: Settings, services: Sequence[Service], stop: asyncio.Event) -> None:
    urls = DatabaseUrls.of(settings)
    for service in services:
        await _check_code(urls, service.name)
    spans.start(settings, name="moocflix-relay")
    try:
        async with alive(settings):
            await relay_of(settings, services, urls).run(stop)
    finally:
        await spans.stop()


async def _check_code(urls: DatabaseUrls, name: str) -> None:
    pool = Pool(urls.service(name), size=1)
    try:
        await check_code(Database(pool, source=name).reader, name)
    finally:
        await pool.close()


def relay_of(settings: Settings, services: Sequence[Service], urls: DatabaseUrls) -> Relay:
    """A relay for these services. Raises SettingsError where there is no broker."""
    broker = open_broker(settings)
    if broker is None:
        raise SettingsError("There is no broker.")
    events = settings.of(EventsSettings)
    names = [service.name for service in services]
    return Relay(
        names,
        by_database(names, urls.listener_of, poll=events.poll_seconds),
        broker,
        topics=[topic for service in services for topic in service.topics],
        groups=groups_of(SERVICES),
        settings=events,
    )
