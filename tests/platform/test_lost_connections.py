"""A statement that meets the end of its connection, whatever the driver makes of that, is one to be tried again."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import uuid4

import pytest

from moocflix.platform.database.transaction import in_transaction
from moocflix.platform.errors import Unavailable
from moocflix.platform.failures import AWAY
from tests.platform.post_office import BOOK_UPDATE, BookState, PostOffice

# In each turn of the loop the driver knows a little more of what has happened.
TURNS = range(5)


def cut_unseen(office: PostOffice) -> None:
    """End all connections while the loop looks away: it finds everything at once, and takes it in turn by turn."""
    cutting = threading.Thread(target=lambda: asyncio.run(office.cut_connections()))
    cutting.start()
    cutting.join()


async def some_turns_later(turns: int, statement: Callable[[], Awaitable[object]]) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    await statement()


@pytest.mark.parametrize("turns", TURNS)
async def test_who_reads_the_outboxes_is_told_that_the_log_is_away(office: PostOffice, turns: int) -> None:
    outboxes = office.outboxes()
    await outboxes.fetch("SELECT 1")
    cut_unseen(office)
    with suppress(Unavailable):
        await some_turns_later(turns, lambda: outboxes.fetch("SELECT 1"))
    assert await outboxes.fetch("SELECT 1")
    await outboxes.close()


async def test_who_reads_the_outboxes_is_told_that_the_log_is_away_where_its_disk_is_full(office: PostOffice) -> None:
    outboxes = office.outboxes()
    with pytest.raises(Unavailable):
        await outboxes.fetch("DO $$ BEGIN RAISE disk_full; END $$")
    assert await outboxes.fetch("SELECT 1")
    await outboxes.close()


@pytest.mark.parametrize("turns", TURNS)
async def test_a_statement_alone_fails_as_one_that_may_be_tried_again(office: PostOffice, turns: int) -> None:
    reader = office.database("library", size=1).reader
    await reader.fetchval("SELECT 1")
    cut_unseen(office)
    with suppress(*AWAY):
        await some_turns_later(turns, lambda: reader.fetchval("SELECT 1"))
    assert await reader.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("turns", TURNS)
async def test_a_transaction_fails_as_one_that_may_be_tried_again(office: PostOffice, turns: int) -> None:
    database = office.database("library", size=1)

    async def cut_within() -> None:
        async with database.transaction() as tx:
            await tx.execute("SELECT 1")
            cut_unseen(office)
            await some_turns_later(turns, lambda: tx.execute("SELECT 1"))

    with pytest.raises(AWAY):
        await cut_within()
    assert await database.reader.fetchval("SELECT 1") == 1


async def test_a_commit_that_cannot_write_its_events_gives_the_connection_back(office: PostOffice) -> None:
    database = office.database("library", size=1)

    async def cut_before_the_end() -> None:
        async with database.transaction() as tx:
            await tx.execute("SELECT 1")
            tx.publish(BOOK_UPDATE, BookState(book_id=uuid4(), version=1, title=""))
            cut_unseen(office)

    with pytest.raises(AWAY):
        await cut_before_the_end()
    assert not in_transaction()
    assert await database.reader.fetchval("SELECT count(*) FROM outbox") == 0
