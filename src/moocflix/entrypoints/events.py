"""`events`: what an operator sees and does of topics, groups and dead letters."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from moocflix.entrypoints.migrate import running_database
from moocflix.entrypoints.services import SERVICES, chosen
from moocflix.entrypoints.work import outboxes_of
from moocflix.platform.database.pool import Pool
from moocflix.platform.database.transaction import Database
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.events import dead_letters as letters
from moocflix.platform.events import groups, resending
from moocflix.platform.events.broker import Broker
from moocflix.platform.events.brokers import groups_of, open_broker
from moocflix.platform.events.outboxes import Outboxes
from moocflix.platform.events.restoring import reset_positions
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.events.unsent import unsent
from moocflix.platform.service import Service
from moocflix.platform.settings import Settings

R = TypeVar("R")


def topics() -> list[tuple[str, ...]]:
    """Every topic: its name, who publishes it, who reacts to it, its other names."""
    reacting: dict[str, list[str]] = {}
    for service in SERVICES:
        for reaction in service.reactions:
            reacting.setdefault(reaction.topic.name, []).append(service.name)
    return [
        (topic.name, service.name, ", ".join(sorted(set(reacting.get(topic.name, ())))), ", ".join(topic.aliases))
        for service in SERVICES
        for topic in service.topics
    ]


def lags(settings: Settings) -> list[tuple[str, ...]]:
    """How far each group is behind each of its sources, over a broker at each address, and what it tries again.

    Over a broker also what each outbox has not sent.
    """
    if settings.of(EventsSettings).bus != "postgres":
        return _run(settings, lambda urls: _broker_lags(settings, urls))

    async def ask(urls: DatabaseUrls) -> list[tuple[str, ...]]:
        found: list[groups.Lag] = []
        async with _outboxes(SERVICES, urls) as outboxes:
            for service in SERVICES:
                async with _database(service, urls) as database:
                    found += await groups.lag(service, database, outboxes)
                    found += await _retrying(service, database)
        return [_line(lag) for lag in found]

    return _run(settings, ask)


def rewind(settings: Settings, group: str, since: datetime | None, sources: Sequence[str]) -> list[str]:
    """Have a group read again; from which services it does."""
    (service,) = chosen((group,))
    time = since if since is None or since.tzinfo else since.replace(tzinfo=UTC)

    async def ask(urls: DatabaseUrls) -> list[str]:
        async with (
            _outboxes((service,), urls) as outboxes,
            _database(service, urls) as database,
            _broker(settings) as broker,
        ):
            if broker is None:
                return await groups.rewind(service, database, outboxes, time=time, sources=sources or None)
            return await resending.rewind(service, database, outboxes, broker, time=time, sources=sources or None)

    return _run(settings, ask)


def reset(settings: Settings) -> None:
    """Have every event count as new, after a restore."""

    async def ask(urls: DatabaseUrls) -> None:
        await reset_positions({service.name: urls.owner_at(urls.admin_of(service.name)) for service in SERVICES})

    _run(settings, ask)


def dead_letters(settings: Settings, group: str | None, topic: str | None, limit: int) -> list[tuple[str, ...]]:
    """The dead letters of a group, or of all."""

    async def ask(urls: DatabaseUrls) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for service in chosen((group,) if group else ()):
            async with _database(service, urls) as database:
                for letter in await letters.listing(database.reader, topic=topic, limit=limit):
                    parked = letter.parked_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                    name, tries = str(letter.message_id), str(letter.attempts)
                    rows.append((service.name, name, letter.topic, letter.key, parked, tries, letter.error[:120]))
        return rows

    return _run(settings, ask)


def replay(settings: Settings, group: str, ids: Sequence[UUID], topic: str | None) -> int:
    """Have dead letters tried again; how many."""
    return _change(settings, group, lambda tx: letters.replay(tx, ids=ids or None, topic=topic))


def drop(settings: Settings, group: str, ids: Sequence[UUID], topic: str | None) -> int:
    """Forget dead letters; how many."""
    return _change(settings, group, lambda tx: letters.drop(tx, ids=ids or None, topic=topic))


def _change(settings: Settings, group: str, change: Callable[[Any], Coroutine[Any, Any, int]]) -> int:
    (service,) = chosen((group,))

    async def ask(urls: DatabaseUrls) -> int:
        async with _database(service, urls) as database, database.transaction() as tx:
            return await change(tx)

    return _run(settings, ask)


async def _broker_lags(settings: Settings, urls: DatabaseUrls) -> list[tuple[str, ...]]:
    """What each outbox has not sent yet, then what waits for each group at the broker, then its retries."""
    rows: list[tuple[str, ...]] = []
    retrying: list[groups.Lag] = []
    for service in SERVICES:
        async with _database(service, urls) as database:
            waiting = await unsent(database.reader)
            retrying += await _retrying(service, database)
        rows.append(("relay", service.name, str(waiting.events), f"{waiting.seconds:.1f} s"))
    async with _broker(settings) as broker:
        if broker is not None:
            for group, topics in groups_of(SERVICES).items():
                rows += [(one.group, one.address, str(one.messages), "") for one in await broker.waiting(group, topics)]
    return rows + [_line(each) for each in retrying]


async def _retrying(service: Service, database: Database) -> list[groups.Lag]:
    """None for one that reacts to nothing."""
    return [await groups.retrying(service, database)] if service.reactions else []


def _line(lag: groups.Lag) -> tuple[str, ...]:
    return lag.group, lag.source, str(lag.waiting), f"{lag.seconds:.1f} s"


@asynccontextmanager
async def _broker(settings: Settings) -> AsyncIterator[Broker | None]:
    broker = open_broker(settings)
    try:
        yield broker
    finally:
        if broker is not None:
            await broker.close()


def _run(settings: Settings, ask: Callable[[DatabaseUrls], Coroutine[Any, Any, R]]) -> R:
    with running_database(settings) as urls:
        return asyncio.run(ask(urls))


@asynccontextmanager
async def _database(service: Service, urls: DatabaseUrls) -> AsyncIterator[Database]:
    pool = Pool(urls.service(service.name), size=2)
    try:
        yield Database(pool, source=service.name)
    finally:
        await pool.close()


@asynccontextmanager
async def _outboxes(services: Sequence[Service], urls: DatabaseUrls) -> AsyncIterator[dict[str, Outboxes]]:
    outboxes = outboxes_of(services, urls, poll=1.0)
    try:
        yield outboxes
    finally:
        for each in set(outboxes.values()):
            await each.close()
