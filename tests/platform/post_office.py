"""Two small services for the tests of events, jobs and intents: `library` publishes, `archive` reacts."""

import asyncio
import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import asyncpg

from moocflix.platform.database.pool import Pool
from moocflix.platform.database.transaction import Database, Tx
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.events.envelope import Message, State, Topic
from moocflix.platform.events.outboxes import Outboxes
from moocflix.platform.events.wakeups import Wakeups
from moocflix.platform.service import Reaction, Service, ServiceContext
from moocflix.platform.settings import Settings, load
from moocflix.platform.worker import Worker
from tests.waiting import until

MIGRATIONS = {
    "library": "CREATE TABLE books (id uuid PRIMARY KEY, version int NOT NULL);",
    "archive": """
        CREATE TABLE books_copy (id uuid PRIMARY KEY, version int NOT NULL, title text NOT NULL);
        CREATE TABLE effects (number bigint GENERATED ALWAYS AS IDENTITY, id uuid, version int, topic text);
    """,
    "stranger": "CREATE TABLE things (id int);",
}
SERVICES = tuple(MIGRATIONS)


# The bus may look again and again meanwhile, with a statement that names the agendas.
_AT_REST = """
SELECT bool_or(query LIKE '%.agenda%' OR query LIKE '%.outbox%')
       AND bool_and(state = 'idle' AND (query LIKE '%.agenda%' OR state_change < clock_timestamp() - interval '0.2 s'))
  FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'moocflix%'
"""


class BookState(State, frozen=True, kw_only=True):
    book_id: UUID
    title: str


BOOK_CREATION = Topic("Book-Creation", "library", BookState, key="book_id")
BOOK_UPDATE = Topic("Book-Update", "library", BookState, key="book_id")


async def note(tx: Tx, book: BookState, message: Message) -> None:
    """The plainest effect: a row for each message."""
    await tx.execute(
        "INSERT INTO effects (id, version, topic) VALUES ($1, $2, $3)", book.book_id, book.version, message.topic
    )


async def copy_book(tx: Tx, book: BookState, _message: Message) -> None:
    """A local copy that takes only what is newer."""
    await upsert_book(tx, book)


async def upsert_book(tx: Tx, book: BookState) -> None:
    await tx.execute(
        "INSERT INTO books_copy AS kept (id, version, title) VALUES ($1, $2, $3) "
        "ON CONFLICT (id) DO UPDATE SET version = excluded.version, title = excluded.title "
        "WHERE excluded.version > kept.version",
        book.book_id, book.version, book.title,
    )  # fmt: skip


def archive(**changes: Any) -> Service:
    """The reacting service; `changes` replace its parts."""
    service = Service(
        name="archive",
        summary="Reacts.",
        migrations=Path(),
        routes=(),
        reactions=(Reaction(topic=BOOK_CREATION, run=note), Reaction(topic=BOOK_UPDATE, run=note)),
    )
    return replace(service, **changes)


@dataclass
class PostOffice:
    """The two services on a database of their own."""

    urls: DatabaseUrls
    settings: Settings
    pools: list[Pool] = field(default_factory=list)
    wakeups: Wakeups | None = None

    def database(self, name: str, *, size: int = 16) -> Database:
        if self.wakeups is None:
            self.wakeups = Wakeups(self.urls.bus)
        pool = Pool(self.urls.service(name), size=size)
        self.pools.append(pool)
        return Database(pool, source=name, wake=self.wakeups.wake)

    def context(self, name: str, *, settings: Settings | None = None) -> ServiceContext:
        return ServiceContext(
            name=name,
            settings=settings or self.settings,
            database=self.database(name, size=4),
            storage=cast("Any", None),
            http=cast("Any", None),
        )

    def outboxes(self, *, poll_seconds: float = 1.0) -> Outboxes:
        return Outboxes(self.urls.bus, services=SERVICES, poll_seconds=poll_seconds)

    def worker(self, service: Service, *, settings: Settings | None = None, poll_seconds: float = 1.0) -> Worker:
        outboxes = self.outboxes(poll_seconds=poll_seconds)
        context = self.context(service.name, settings=settings)
        return Worker([service], {service.name: context}, dict.fromkeys(SERVICES, outboxes))

    async def settle(self, service: Service, *, ahead: timedelta = timedelta(0)) -> None:
        worker = self.worker(service)
        try:
            await worker.settle(ahead=ahead)
        finally:
            await worker.close()

    async def publish(
        self, book_id: UUID, version: int, topic: Topic[BookState] = BOOK_UPDATE, title: str = ""
    ) -> None:
        async with self.database("library", size=1).transaction() as tx:
            tx.publish(topic, BookState(book_id=book_id, version=version, title=title))

    async def cut_connections(self) -> None:
        """What a restart of the database does to everybody."""
        connection = await asyncpg.connect(self.urls.admin)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await connection.close()

    async def close(self) -> None:
        if self.wakeups is not None:
            await self.wakeups.close()
        for pool in self.pools:
            await pool.close()

    async def empty(self) -> None:
        connection = await asyncpg.connect(self.urls.admin)
        rows = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
            "WHERE schemaname = ANY($1) AND tablename <> 'schema_migrations'",
            list(SERVICES),
        )
        await connection.execute("TRUNCATE " + ", ".join(row["name"] for row in rows) + " RESTART IDENTITY")
        await connection.close()


def settings_with(**values: str) -> Settings:
    return load(environ={f"MOOCFLIX_{name.upper()}": value for name, value in values.items()})


async def running(worker: Worker) -> tuple[asyncio.Event, "asyncio.Task[None]"]:
    """A worker at work in this process: set the event, then await the task."""
    stop = asyncio.Event()
    return stop, asyncio.create_task(worker.run(stop))


async def at_rest(office: PostOffice) -> None:
    """Wait until the worker has looked for work and found none: what comes now has to be told of, or looked for."""
    connection = await asyncpg.connect(office.urls.admin)

    async def quiet() -> Any:
        return await connection.fetchval(_AT_REST)

    try:
        await until(quiet)
    finally:
        await connection.close()


async def effects(office: PostOffice) -> list[tuple[UUID, int]]:
    """What the archive's reactions have done, in order."""
    # Not kept open: who waits for them looks a hundred times a second.
    connection = await asyncpg.connect(office.urls.admin)
    try:
        rows = await connection.fetch("SELECT id, version FROM archive.effects ORDER BY number")
    finally:
        await connection.close()
    return [(row["id"], row["version"]) for row in rows]


async def kill_in_the_middle(office: PostOffice, marker: Path) -> None:
    """Start a worker process, let it come to the middle of its work, and kill it there."""
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "tests.platform.worker_process",
        office.urls.admin,
        office.urls.key.hex(),
        marker,
    ]
    with subprocess.Popen(command) as process:

        async def reached() -> bool:
            assert process.poll() is None, "the worker has ended by itself"
            return marker.exists()

        try:
            await until(reached, seconds=30)
        finally:
            process.kill()
