"""What an operator does: see lag, replay and drop dead letters, have a group read again, go on after a restore."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from moocflix.platform.database.transaction import Tx
from moocflix.platform.events import dead_letters, groups
from moocflix.platform.events.envelope import Message
from moocflix.platform.events.outboxes import Outboxes
from moocflix.platform.service import Copy, Reaction, Service
from tests.platform.post_office import (
    BOOK_UPDATE,
    BookState,
    PostOffice,
    archive,
    copy_book,
    effects,
    note,
    upsert_book,
)
from tests.waiting import until

LATER = timedelta(hours=1)


async def refuse(_tx: Tx, _book: BookState, _message: Message) -> None:
    raise RuntimeError


async def no_books(_context: Any, _id: UUID) -> None:
    return None


def copying() -> Service:
    return archive(
        reactions=(Reaction(topic=BOOK_UPDATE, run=copy_book),),
        copies=(Copy(entity="book", owner="library", table="books_copy", fetch=no_books, upsert=upsert_book),),
    )


async def park_two(office: PostOffice) -> list[UUID]:
    books = [uuid4(), uuid4()]
    for book in books:
        await office.publish(book, 1)
    await office.settle(archive(reactions=(Reaction(topic=BOOK_UPDATE, run=refuse),)), ahead=LATER)
    return books


async def test_dead_letters_are_listed_with_where_they_failed(office: PostOffice) -> None:
    books = await park_two(office)
    found = await dead_letters.listing(office.database("archive").reader)
    assert {letter.key for letter in found} == {str(book) for book in books}
    assert all("RuntimeError" in letter.error and "refuse" in letter.error for letter in found)


async def test_a_replayed_dead_letter_takes_effect_once(office: PostOffice) -> None:
    books = await park_two(office)
    database = office.database("archive")
    (letter,) = [found for found in await dead_letters.listing(database.reader) if found.key == str(books[0])]
    async with database.transaction() as tx:
        assert await dead_letters.replay(tx, ids=[letter.message_id]) == 1
    await office.settle(archive())
    await office.settle(archive())
    assert await effects(office) == [(books[0], 1)]
    assert len(await dead_letters.listing(database.reader)) == 1


async def test_a_dropped_dead_letter_does_not_come_again(office: PostOffice) -> None:
    await park_two(office)
    database = office.database("archive")
    async with database.transaction() as tx:
        assert await dead_letters.drop(tx) == 2
        await tx.execute("DELETE FROM offsets")
    await office.settle(archive(), ahead=LATER)
    assert await effects(office) == []


async def test_lag_counts_what_a_group_has_not_read(office: PostOffice, outboxes: Outboxes) -> None:
    database = office.database("archive")
    for version in (1, 2, 3):
        await office.publish(uuid4(), version)
    (before,) = await groups.lag(archive(), database, {"library": outboxes})
    await office.settle(archive())
    (after,) = await groups.lag(archive(), database, {"library": outboxes})
    assert (before.waiting, after.waiting) == (3, 0)
    assert before.seconds > after.seconds == 0


async def test_a_rewound_group_reads_again_from_a_time(office: PostOffice, outboxes: Outboxes) -> None:
    book = uuid4()
    await office.publish(book, 1)
    moment = (await outboxes.fetch("SELECT clock_timestamp() AS now"))[0]["now"]
    await office.publish(book, 2)
    await office.settle(archive())
    assert await groups.rewind(archive(), office.database("archive"), {"library": outboxes}, time=moment) == ["library"]
    await office.settle(archive())
    assert await effects(office) == [(book, 1), (book, 2), (book, 2)]


async def test_a_rewind_to_the_start_makes_a_lost_copy_anew(office: PostOffice, outboxes: Outboxes) -> None:
    book, database = uuid4(), office.database("archive")
    for version in (1, 2):
        await office.publish(book, version, title=f"title {version}")
    await office.settle(copying())
    async with database.transaction() as tx:
        await tx.execute("UPDATE books_copy SET title = 'damaged'")
    await groups.rewind(copying(), database, {"library": outboxes}, time=None)
    assert await database.reader.fetchval("SELECT version FROM books_copy") == 0
    await office.settle(copying())
    assert await database.reader.fetchval("SELECT title || version FROM books_copy") == "title 22"


async def test_a_rewind_skips_nothing_that_was_not_read_yet(office: PostOffice, outboxes: Outboxes) -> None:
    book = uuid4()
    await office.publish(book, 1)
    moment = (await outboxes.fetch("SELECT clock_timestamp() AS now"))[0]["now"]
    await office.publish(book, 2)
    await groups.rewind(archive(), office.database("archive"), {"library": outboxes}, time=moment)
    await office.settle(archive())
    assert await effects(office) == [(book, 1), (book, 2)]


async def test_a_group_with_effects_elsewhere_is_not_rewound(office: PostOffice, outboxes: Outboxes) -> None:
    with pytest.raises(groups.NotRewindable):
        await groups.rewind(archive(rewindable=False), office.database("archive"), {"library": outboxes}, time=None)


async def test_what_a_worker_has_in_hand_while_its_group_is_rewound_is_not_kept(
    office: PostOffice, outboxes: Outboxes
) -> None:
    book, database = uuid4(), office.database("archive")
    rewinds: list[asyncio.Task[list[str]]] = []
    waited = asyncio.Event()

    async def waits() -> Any:
        return await watcher.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'moocflix_archive' AND wait_event_type = 'Lock'"
        )

    async def rewind_under_way(tx: Tx, state: BookState, message: Message) -> None:
        if state.version == 2 and not rewinds:
            rewinds.append(asyncio.create_task(groups.rewind(service, database, {"library": outboxes}, time=None)))
            await until(waits)
            waited.set()
        await note(tx, state, message)

    service = archive(reactions=(Reaction(topic=BOOK_UPDATE, run=rewind_under_way),))
    watcher = await asyncpg.connect(office.urls.admin)
    await office.publish(book, 1)
    await office.settle(service)
    for version in (2, 3):
        await office.publish(book, version)
    await office.settle(service)
    await rewinds[0]
    await watcher.close()
    assert waited.is_set()
    await office.settle(service)
    assert [version for _, version in await effects(office)][-3:] == [1, 2, 3]


async def test_an_erased_persons_events_can_still_be_read(office: PostOffice) -> None:
    """Erasure rewrites payloads in place: a row that was rewritten is not news."""
    book = uuid4()
    await office.publish(book, 1, title="a name")
    await office.settle(archive())
    async with office.database("library").transaction() as tx:
        await tx.execute("UPDATE outbox SET data = jsonb_set(data, '{title}', '\"\"')")
    await office.settle(archive())
    assert await effects(office) == [(book, 1)]
