"""PostgreSQL that crashes hands out once more the transaction ids that never came to its disk: none counts as seen."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import psutil
import pytest

from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.events.broker import Parcel
from moocflix.platform.events.consumer import Consumer
from moocflix.platform.events.outboxes import Outboxes
from moocflix.platform.events.postgres import BUCKETS, OutboxReader
from moocflix.platform.events.relay import BucketRelay
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.failures import HINDERED
from moocflix.platform.migrations import MigrationSource, migrate
from moocflix.platform.postgres_options import PostgresOptions
from moocflix.platform.postgres_server import PostgresServer
from moocflix.platform.settings import Settings
from tests.databases import in_database
from tests.platform.post_office import BOOK_UPDATE, MIGRATIONS, SERVICES, PostOffice, archive, effects, settings_with

# Those that write to the disk what nobody waits for.
WRITERS = ("walwriter", "background writer", "checkpointer")


class Crashing:
    """A server whose last transactions come to its disk only where somebody waits for that."""

    def __init__(self, server: PostgresServer) -> None:
        self.data = server.data
        self._server = server

    def hold_back(self) -> None:
        """From now on nothing is written but what a commit waits for."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                if any(name in " ".join(process.cmdline()) for name in WRITERS):
                    process.suspend()

    def crash(self) -> None:
        """Kill all of it at once, and start it again."""
        self.kill()
        self._server.start()

    def kill(self) -> None:
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _processes(self) -> list[psutil.Process]:
        postmaster = psutil.Process(self._server.pid)
        return [postmaster, *postmaster.children()]


@pytest.fixture(scope="module")
def server() -> Iterator[Crashing]:
    folder = Path(tempfile.mkdtemp(prefix="moo-"))
    folder.chmod(0o755)
    server = PostgresServer(folder / "data", options=PostgresOptions(durable=False, extra={"autovacuum": "off"}))
    server.start()
    crashing = Crashing(server)
    yield crashing
    crashing.kill()
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
async def migrated(server: Crashing, tmp_path_factory: pytest.TempPathFactory) -> tuple[DatabaseUrls, Settings]:
    """The two services on that server."""
    settings = settings_with(data=str(server.data), config=os.devnull, events_lease_seconds="600")
    urls = in_database(DatabaseUrls.of(settings), "office")
    sources = [MigrationSource(name, tmp_path_factory.mktemp(name)) for name in MIGRATIONS]
    for source in sources:
        (source.migrations / "0001_pre_tables.sql").write_text(MIGRATIONS[source.name])
    await migrate(urls, sources)
    return urls, settings


@pytest.fixture
async def office(migrated: tuple[DatabaseUrls, Settings]) -> AsyncIterator[PostOffice]:
    office = PostOffice(*migrated)
    await office.empty()
    yield office
    await office.close()


async def undone(office: PostOffice) -> int:
    """Transactions that are rolled back, as those of refused writes are; the id of the last."""
    connection = await asyncpg.connect(office.urls.service("library"))
    last = 0
    for _ in range(50):
        await connection.execute("BEGIN")
        last = int(await connection.fetchval("SELECT pg_current_xact_id()::text"))
        await connection.execute("ROLLBACK")
    await connection.close()
    return last


async def with_an_id_given_back(office: PostOffice, crash: Callable[[], None], last: int) -> UUID:
    """The event that is first after the crash; its id was seen before, by whoever has looked."""
    crash()
    book = uuid4()
    await office.publish(book, 2)
    outboxes = office.outboxes()
    rows = await outboxes.fetch("SELECT xid::text::bigint FROM library.outbox WHERE key = $1", str(book))
    await outboxes.close()
    assert rows[0]["xid"] <= last
    return book


async def quietly(step: Callable[[], Awaitable[object]]) -> None:
    """Do this where the connections may have been lost."""
    with suppress(*HINDERED):
        await step()


class Overtaken(Outboxes):
    """Whoever is to be undone gets in just before each read: the group has committed its own before."""

    office: PostOffice
    last = 0

    async def fetch(self, sql: str, *args: Any) -> list[Any]:
        self.last = await undone(self.office)
        return await super().fetch(sql, *args)


async def test_a_group_reads_it(office: PostOffice, server: Crashing) -> None:
    book, outboxes = uuid4(), Overtaken(office.urls.bus, services=SERVICES)
    outboxes.office = office
    log = OutboxReader(outboxes, source="library", topics=[BOOK_UPDATE.name])
    group = Consumer(archive(), office.context("archive"), [log])

    async def read() -> None:
        group.look_everywhere()
        while await group.step():
            pass

    await office.publish(book, 1)
    await read()
    server.hold_back()
    await read()
    later = await with_an_id_given_back(office, server.crash, outboxes.last)
    await quietly(read)
    await read()
    assert await effects(office) == [(book, 1), (later, 2)]
    await group.leave()
    await outboxes.close()


class Takes:
    """A broker that takes everything."""

    def __init__(self) -> None:
        self.sent: list[UUID] = []

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        self.sent += [UUID(parcel.message.key) for parcel in parcels]


async def test_a_relay_sends_it(office: PostOffice, server: Crashing) -> None:
    book, outboxes, broker = uuid4(), office.outboxes(), Takes()
    buckets = [
        BucketRelay(
            outboxes, broker, source="library", bucket=number, aliases={}, settings=office.settings.of(EventsSettings)
        )
        for number in range(BUCKETS)
    ]

    async def send() -> None:
        for bucket in buckets:
            await bucket.step()

    await send()
    server.hold_back()
    await office.publish(book, 1)
    last = await undone(office)
    await send()
    later = await with_an_id_given_back(office, server.crash, last)
    await quietly(send)
    await send()
    # The mark of the first was lost: it may be there twice.
    assert set(broker.sent) == {book, later}
    await outboxes.close()


async def test_who_looks_for_news_finds_it(office: PostOffice, server: Crashing) -> None:
    outboxes, told = office.outboxes(), list[str]()
    outboxes.listen(told.append)
    server.hold_back()
    last = await undone(office)
    await outboxes.poll()
    told.clear()
    # Whoever has no connection hears of nothing.
    await with_an_id_given_back(office, server.crash, last)
    await quietly(outboxes.poll)
    await outboxes.poll()
    assert "library" in told
    await outboxes.close()
