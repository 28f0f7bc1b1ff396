"""Wake-ups: after the commit, few for many commits, and never the matter of who commits."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from moocflix.platform.database.pool import Pool
from moocflix.platform.database.transaction import Database
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.events.outboxes import by_database
from moocflix.platform.events.wakeups import CHANNEL, Wakeups
from moocflix.platform.migrations import MigrationSource, migrate
from moocflix.platform.worker import Worker
from tests.databases import in_database
from tests.platform.post_office import BOOK_UPDATE, MIGRATIONS, BookState, PostOffice, archive, running
from tests.waiting import until


async def test_many_commits_are_told_of_in_few_words(office: PostOffice) -> None:
    heard: Counter[object] = Counter()
    listener = await asyncpg.connect(office.urls.bus)
    await listener.add_listener(CHANNEL, lambda _connection, _pid, _channel, payload: heard.update([payload]))
    wakeups = Wakeups(office.urls.bus)
    for _ in range(200):
        wakeups.wake("library")
        wakeups.wake("archive")
        await asyncio.sleep(0)
    await wakeups.close()
    await listener.execute("SELECT 1")
    await listener.close()
    assert set(heard) == {"library", "archive"}
    assert max(heard.values()) < 50


async def test_a_database_that_is_away_disturbs_no_write(office: PostOffice) -> None:
    wakeups, pool = Wakeups("postgresql://nobody@127.0.0.1:9/nowhere"), Pool(office.urls.service("library"), size=1)
    library = Database(pool, source="library", wake=wakeups.wake)
    for version in (1, 2):
        async with library.transaction() as tx:
            tx.publish(BOOK_UPDATE, BookState(book_id=uuid4(), version=version, title=""))
        await asyncio.sleep(0.05)
    assert await library.reader.fetchval("SELECT count(*) FROM outbox") == 2
    await wakeups.close()
    await pool.close()


@pytest.fixture
async def apart(office_urls: DatabaseUrls, tmp_path: Path) -> DatabaseUrls:
    """The library in a database of its own."""
    own = in_database(office_urls, f"library_{uuid4().hex}")
    (tmp_path / "0001_pre_tables.sql").write_text(MIGRATIONS["library"])
    await migrate(own, [MigrationSource("library", tmp_path)])
    return replace(office_urls, apart={"MOOCFLIX_DATABASE_LIBRARY_URL": own.service("library")}.get)


async def test_a_worker_hears_at_once_of_each_database_that_it_follows(office: PostOffice, apart: DatabaseUrls) -> None:
    outboxes = by_database(["archive", "library"], apart.bus_of, poll=60)
    assert outboxes["archive"] is not outboxes["library"]
    worker = Worker([archive()], {"archive": office.context("archive")}, outboxes)
    wakeups, pool = Wakeups(apart.bus_of("library")), Pool(apart.service("library"), size=1)
    library = Database(pool, source="library", wake=wakeups.wake)
    effects = office.database("archive", size=1).reader

    async def publish(version: int) -> None:
        async with library.transaction() as tx:
            tx.publish(BOOK_UPDATE, BookState(book_id=uuid4(), version=version, title=""))

    async def there() -> bool:
        return bool(await effects.fetchval("SELECT count(*) = 2 FROM effects"))

    await publish(1)
    stop, working = await running(worker)
    # The first is found by the first look; the second, long before the next one.
    await until(lambda: effects.fetchval("SELECT count(*) FROM effects"))
    await publish(2)
    await until(there)
    stop.set()
    await working
    await wakeups.close()
    await pool.close()
