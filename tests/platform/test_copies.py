"""Copies of others' entities: filled page by page when new or lost, fetched one by one when missed."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from moocflix.platform.database.transaction import Tx
from moocflix.platform.errors import CopyMissing, Forbidden, Unavailable
from moocflix.platform.events import copies
from moocflix.platform.events.envelope import Message
from moocflix.platform.service import Copy, Reaction, Service, ServiceContext
from tests.platform.post_office import BOOK_UPDATE, BookState, PostOffice, archive, copy_book, note, upsert_book

LATER = timedelta(hours=1)


class Owner:
    """The owner's list of books, by pages of two; it may be away."""

    def __init__(self, count: int) -> None:
        self.books = {UUID(int=n): BookState(book_id=UUID(int=n), version=3, title=f"book {n}") for n in range(count)}
        self.away_at: str | None = "nowhere"
        self.asked: list[str | None] = []

    async def pages(self, _context: ServiceContext, cursor: str | None) -> tuple[list[BookState], str | None]:
        self.asked.append(cursor)
        if cursor == self.away_at:
            raise Unavailable
        begin = int(cursor or 0)
        page = list(self.books.values())[begin : begin + 2]
        return page, str(begin + 2) if begin + 2 < len(self.books) else None

    async def fetch(self, _context: ServiceContext, book_id: UUID) -> BookState | None:
        return self.books.get(book_id)

    def service(self, run: Any = copy_book) -> Service:
        return archive(
            reactions=(Reaction(topic=BOOK_UPDATE, run=run),),
            copies=(
                Copy(
                    entity="book",
                    owner="library",
                    table="books_copy",
                    fetch=self.fetch,
                    upsert=upsert_book,
                    pages=self.pages,
                ),
            ),
        )


async def start_worker(office: PostOffice, service: Service, *, ahead: timedelta = timedelta(0)) -> None:
    """What a worker does from its start until all is quiet."""
    worker = office.worker(service)
    await worker.prepare()
    await worker.settle(ahead=ahead)
    await worker.close()


async def count(office: PostOffice) -> Any:
    return await office.database("archive", size=1).reader.fetchval("SELECT count(*) FROM books_copy")


async def test_a_new_copy_is_filled_page_by_page_once(office: PostOffice) -> None:
    owner = Owner(5)
    await start_worker(office, owner.service())
    await start_worker(office, owner.service())
    assert await count(office) == 5
    assert owner.asked == [None, "2", "4"]


async def test_a_filling_goes_on_where_an_absent_owner_stopped_it(office: PostOffice) -> None:
    owner = Owner(5)
    owner.away_at = "2"
    await start_worker(office, owner.service())
    assert await count(office) == 2
    owner.away_at = "nowhere"
    await start_worker(office, owner.service(), ahead=LATER)
    assert await count(office) == 5
    assert owner.asked == [None, "2", "2", "4"]


async def test_an_event_that_is_newer_than_the_page_wins(office: PostOffice) -> None:
    owner = Owner(2)
    await office.publish(UUID(int=0), 9, title="newer")
    await office.publish(UUID(int=1), 1, title="older")
    await start_worker(office, owner.service())
    rows = await office.database("archive").reader.fetch("SELECT title FROM books_copy ORDER BY id")
    assert [row["title"] for row in rows] == ["newer", "book 1"]


async def test_a_lost_copy_is_filled_again(office: PostOffice) -> None:
    owner = Owner(3)
    await start_worker(office, owner.service())
    async with office.database("archive").transaction() as tx:
        await tx.execute("DELETE FROM books_copy")
    await start_worker(office, owner.service())
    assert await count(office) == 3


async def test_one_is_fetched_when_it_is_missed(office: PostOffice) -> None:
    owner, context = Owner(3), office.context("archive")
    assert await copies.fill(owner.service(), context, "book", UUID(int=1))
    assert not await copies.fill(owner.service(), context, "book", uuid4())
    assert await count(office) == 1


async def test_a_reaction_that_misses_a_copy_gets_it_and_runs_again(office: PostOffice) -> None:
    owner = Owner(3)

    async def needs_copy(tx: Tx, book: BookState, message: Message) -> None:
        if not await tx.fetchval("SELECT 1 FROM books_copy WHERE id = $1", book.book_id):
            raise CopyMissing("book", book.book_id)
        await note(tx, book, message)

    await office.publish(UUID(int=1), 1)
    await office.settle(owner.service(needs_copy))
    assert await office.database("archive").reader.fetchval("SELECT count(*) FROM effects") == 1
    assert await office.database("archive").reader.fetchval("SELECT count(*) FROM retries") == 0


async def test_a_rewind_while_a_copy_is_being_filled_fills_it_from_the_start(office: PostOffice) -> None:
    owner = Owner(5)
    service, database = owner.service(), office.database("archive")

    async def pages(context: ServiceContext, cursor: str | None) -> tuple[list[BookState], str | None]:
        if owner.asked == [None, "2"]:
            async with database.transaction() as tx:
                await copies.start_anew(tx, service, owners={"library"})
            # Another worker begins anew, and comes to the second page.
            owner.away_at = "2"
            await start_worker(office, service)
            owner.away_at = "nowhere"
        return await owner.pages(context, cursor)

    (copy,) = service.copies
    await start_worker(office, replace(service, copies=(replace(copy, pages=pages),)), ahead=LATER)
    rows = await database.reader.fetch("SELECT version FROM books_copy")
    assert [row["version"] for row in rows] == [3] * 5
    assert await database.reader.fetchval("SELECT status FROM copies") == "filled"


async def test_a_copy_that_its_owner_refuses_fails_its_event_alone(office: PostOffice) -> None:
    owner = Owner(3)

    async def needs_copy(tx: Tx, book: BookState, message: Message) -> None:
        if book.book_id == UUID(int=1):
            raise CopyMissing("book", book.book_id)
        await note(tx, book, message)

    async def refused(_context: ServiceContext, _book_id: UUID) -> BookState | None:
        raise Forbidden("Not for you.")

    service = owner.service(needs_copy)
    service = replace(service, copies=(replace(service.copies[0], fetch=refused),))
    await office.publish(UUID(int=1), 1)
    await office.publish(UUID(int=2), 1)
    await office.settle(service, ahead=LATER)
    reader = office.database("archive", size=1).reader
    assert await reader.fetchval("SELECT array_agg(id) FROM effects") == [UUID(int=2)]
    assert "Forbidden" in await reader.fetchval("SELECT error FROM dead_letters")
