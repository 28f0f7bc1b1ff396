"""The three buses, each with real servers, behind the two small services of the platform's tests."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID, uuid4

from moocflix.platform.events.broker import Broker
from moocflix.platform.events.brokers import groups_of, open_broker
from moocflix.platform.events.outboxes import Outboxes
from moocflix.platform.events.relay import Relay
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.service import React, Reaction, Service
from moocflix.platform.settings import Settings
from moocflix.platform.worker import Worker
from tests.platform.post_office import (
    BOOK_CREATION,
    BOOK_UPDATE,
    SERVICES,
    BookState,
    PostOffice,
    archive,
    settings_with,
)
from tests.waiting import until


class Server(Protocol):
    """A broker's server, as a test treats it."""

    @property
    def pid(self) -> int | None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


@dataclass
class Carrier:
    """One bus: its settings by their short names, and the server behind it, if it has one."""

    values: dict[str, str]
    server: Server | None

    @property
    def settings(self) -> Settings:
        return settings_with(**self.values)

    @property
    def environ(self) -> dict[str, str]:
        """The settings for a process."""
        return {f"MOOCFLIX_{name.upper()}": value for name, value in self.values.items()}


class BusOffice:
    """Publishes, relays and reacts over one bus. What it opened is closed at the end, also of a test that failed."""

    def __init__(self, office: PostOffice, carrier: Carrier) -> None:
        self.office = office
        self.carrier = carrier
        self.archive = office.database("archive", size=2)
        self.library = office.database("library", size=2)
        self._opened: list[Broker | Outboxes] = []
        self.settings = carrier.settings

    @property
    def relayed(self) -> bool:
        return self.carrier.server is not None

    @property
    def server(self) -> Server:
        assert self.carrier.server is not None
        return self.carrier.server

    def broker(self) -> Broker:
        broker = open_broker(self.settings)
        assert broker is not None
        self._opened.append(broker)
        return broker

    def outboxes(self) -> Outboxes:
        outboxes = self.office.outboxes()
        self._opened.append(outboxes)
        return outboxes

    async def close(self) -> None:
        for opened in self._opened:
            await opened.close()

    def worker(self, service: Service) -> Worker:
        context = self.office.context(service.name, settings=self.settings)
        outboxes = self.office.outboxes(poll_seconds=0.2)
        broker = open_broker(self.settings)
        return Worker([service], {service.name: context}, dict.fromkeys(SERVICES, outboxes), broker=broker)

    def relay(self, *services: Service) -> Relay:
        return Relay(
            ["library", *(service.name for service in services)],
            dict.fromkeys(SERVICES, self.office.outboxes(poll_seconds=0.2)),
            self.broker(),
            topics=[BOOK_CREATION, BOOK_UPDATE],
            groups=groups_of(services),
            settings=self.settings.of(EventsSettings),
        )

    @asynccontextmanager
    async def running(self, *parts: Worker | Relay) -> AsyncIterator[None]:
        """These at work, until the block ends."""
        stop = asyncio.Event()
        tasks = [asyncio.create_task(part.run(stop)) for part in parts]
        try:
            yield
        finally:
            stop.set()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, BaseException):
                    raise result

    @asynccontextmanager
    async def at_work(self, service: Service) -> AsyncIterator[None]:
        """A worker, and, where the bus has one, a relay."""
        relays = [self.relay(service)] if self.relayed else []
        async with self.running(*relays, self.worker(service)):
            yield

    async def effects(self, shelf: Sequence[UUID]) -> list[tuple[UUID, int]]:
        """In their order. Brokers may still bring what another test has published: it is left out."""
        rows = await self.archive.reader.fetch(
            "SELECT id, version FROM effects WHERE id = ANY ($1) ORDER BY number", list(shelf)
        )
        return [(row["id"], row["version"]) for row in rows]

    async def handled(self, shelf: Sequence[UUID], number: int, *, seconds: float = 40.0) -> None:
        """Wait until there are so many effects on these books."""

        async def all_there() -> bool:
            return len(await self.effects(shelf)) >= number

        await until(all_there, seconds=seconds)

    async def publish(self, books: Sequence[UUID], versions: Sequence[int]) -> None:
        for version in versions:
            async with self.library.transaction() as tx:
                for book in books:
                    tx.publish(BOOK_UPDATE, BookState(book_id=book, version=version, title=""))

    async def value(self, sql: str) -> Any:
        return await self.archive.reader.fetchval(sql)


def each_in_order(effects: Sequence[tuple[UUID, int]], books: Sequence[UUID], versions: Sequence[int]) -> bool:
    """Whether every version of every book is there exactly once, and each book's in order."""
    by_book: dict[UUID, list[int]] = {book: [] for book in books}
    for book, version in effects:
        if book in by_book:
            by_book[book].append(version)
    return all(found == list(versions) for found in by_book.values())


def on_update(run: React) -> Service:
    """The reacting service, with this as its one reaction."""
    return archive(reactions=(Reaction(topic=BOOK_UPDATE, run=run),))


def books(number: int) -> list[UUID]:
    return [uuid4() for _ in range(number)]
