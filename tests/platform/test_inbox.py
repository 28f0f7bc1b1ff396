"""Reactions: once for each message, in order for each key, and nobody held up by a message that fails."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from moocflix.platform import leases
from moocflix.platform.clock import utc_now
from moocflix.platform.database.transaction import Tx
from moocflix.platform.errors import Unavailable
from moocflix.platform.events import dead_letters
from moocflix.platform.events.cloudevents import stand_in
from moocflix.platform.events.envelope import Message
from moocflix.platform.events.inbox import LEASE, Inbox
from moocflix.platform.service import React, Reaction
from tests.platform.post_office import (
    BOOK_CREATION,
    BOOK_UPDATE,
    BookState,
    PostOffice,
    archive,
    at_rest,
    copy_book,
    effects,
    kill_in_the_middle,
    note,
    running,
    settings_with,
)
from tests.waiting import until

LATER = timedelta(hours=1)


def on_update(run: React) -> Any:
    return archive(reactions=(Reaction(topic=BOOK_UPDATE, run=run),))


async def value(office: PostOffice, sql: str) -> Any:
    return await office.database("archive", size=1).reader.fetchval(sql)


async def test_each_event_takes_effect_once_and_in_order(office: PostOffice) -> None:
    book = uuid4()
    for version in range(1, 31):
        await office.publish(book, version)
    await office.settle(archive())
    await office.settle(archive())
    assert await effects(office) == [(book, version) for version in range(1, 31)]


async def test_what_is_read_again_has_no_second_effect(office: PostOffice) -> None:
    book = uuid4()
    await office.publish(book, 1)
    await office.settle(archive())
    async with office.database("archive").transaction() as tx:
        await tx.execute("DELETE FROM offsets")
    await office.settle(archive())
    assert await effects(office) == [(book, 1)]


async def test_a_message_that_comes_twice_at_once_has_one_effect(office: PostOffice) -> None:
    """As a broker brings it that was sent it again before its first answer was heard."""
    book, context = uuid4(), office.context("archive")
    first, second = (
        Message(
            uuid4(), "Book-Update", str(book), str(book), "library", utc_now(),
            msgspec.json.encode(BookState(book_id=book, version=version, title="")),
        )
        for version in (1, 2)
    )  # fmt: skip
    token = await leases.take(context.database.reader, LEASE, holder=uuid4(), seconds=60)
    assert token is not None
    await Inbox(archive(), context).take([first, second, first, second], token=token)
    assert await effects(office) == [(book, 1), (book, 2)]


async def test_data_that_the_database_cannot_keep_are_put_aside_by_their_beginning(office: PostOffice) -> None:
    context, key = office.context("archive"), str(uuid4())
    strange = Message(uuid4(), "Book-Update", key, key, "library", utc_now(), b'{"title": 1e-20000}')
    token = await leases.take(context.database.reader, LEASE, holder=uuid4(), seconds=60)
    assert token is not None
    for _ in range(2):
        await Inbox(archive(), context).take([strange], token=token)
    assert await value(office, "SELECT array_agg(data) FROM dead_letters") == [{"unreadable": '{"title": 1e-20000}'}]


async def test_what_can_never_be_read_is_parked_at_the_first_try(office: PostOffice) -> None:
    context, key = office.context("archive"), str(uuid4())
    strange = stand_in("a place", topic="Book-Update", source="library", key=key, data=b"this is no JSON")
    token = await leases.take(context.database.reader, LEASE, holder=uuid4(), seconds=60)
    assert token is not None
    await Inbox(archive(), context).take([strange], token=token)
    tries = "SELECT array_agg(attempts) FROM dead_letters WHERE NOT EXISTS (SELECT FROM retries)"
    assert await value(office, tries) == [1]
    async with context.database.transaction() as tx:
        assert await dead_letters.replay(tx) == 1
    assert await Inbox(archive(), context).retry(token=token)
    assert await value(office, tries) == [1]


async def test_an_update_that_overtakes_its_creation_wins(office: PostOffice) -> None:
    book = uuid4()
    service = archive(
        reactions=(Reaction(topic=BOOK_CREATION, run=copy_book), Reaction(topic=BOOK_UPDATE, run=copy_book))
    )
    await office.publish(book, 2, BOOK_UPDATE, "new")
    await office.publish(book, 1, BOOK_CREATION, "old")
    await office.settle(service)
    assert await value(office, "SELECT title || version FROM books_copy") == "new2"


async def test_a_poisoned_event_parks_while_all_others_go_on(office: PostOffice) -> None:
    bad, good = uuid4(), uuid4()

    async def choke(tx: Tx, book: BookState, message: Message) -> None:
        await note(tx, book, message)
        if (book.book_id, book.version) == (bad, 2):
            raise ValueError(book.title)

    for version in (1, 2, 3):
        await office.publish(bad, version, title="a secret")
        await office.publish(good, version)
    await office.settle(on_update(choke))
    assert await effects(office) == [(bad, 1), *((good, version) for version in (1, 2, 3))]
    await office.settle(on_update(choke), ahead=LATER)
    assert (await effects(office))[-1] == (bad, 3)
    assert await value(office, "SELECT count(*) FROM retries") == 0
    row = await office.database("archive").reader.fetchrow("SELECT key, attempts, error FROM dead_letters")
    assert row is not None
    assert (row["key"], row["attempts"]) == (str(bad), 6)
    assert "ValueError" in row["error"]
    assert "secret" not in row["error"]


async def test_what_comes_later_for_a_failing_key_waits_behind_it(office: PostOffice) -> None:
    bad = uuid4()
    broken = True

    async def fail_at_first(tx: Tx, book: BookState, message: Message) -> None:
        if broken:
            raise RuntimeError
        await note(tx, book, message)

    await office.publish(bad, 1)
    await office.settle(on_update(fail_at_first))
    await office.publish(bad, 2)
    await office.settle(on_update(fail_at_first))
    assert await value(office, "SELECT count(*) FROM retries") == 2
    broken = False
    await office.settle(on_update(fail_at_first), ahead=LATER)
    assert await effects(office) == [(bad, 1), (bad, 2)]


async def test_a_payload_that_does_not_fit_its_type_is_parked(office: PostOffice) -> None:
    async with office.database("library").transaction() as tx:
        await tx.execute(
            "INSERT INTO outbox (id, topic, key, subject, data) VALUES ($1, 'Book-Update', 'k', 'k', '{}')", uuid4()
        )
    await office.settle(archive(), ahead=LATER)
    assert await value(office, "SELECT error FROM dead_letters WHERE key = 'k'") is not None


async def test_unavailable_pauses_the_group_and_spends_no_try(office: PostOffice) -> None:
    away, tries = True, 0

    async def needs_another(tx: Tx, book: BookState, message: Message) -> None:
        nonlocal tries
        tries += 1
        if away:
            raise Unavailable
        await note(tx, book, message)

    book = uuid4()
    await office.publish(book, 1)
    with pytest.raises(Unavailable):
        await office.settle(on_update(needs_another))
    assert await value(office, "SELECT count(*) FROM retries") == 0
    began, tries = perf_counter(), 0
    stop, task = await running(office.worker(on_update(needs_another)))

    async def tried_again() -> bool:
        return tries >= 2

    await until(tried_again)
    assert perf_counter() - began >= 0.5
    away = False

    async def handled() -> bool:
        return await effects(office) == [(book, 1)]

    await until(handled)
    stop.set()
    await task


async def test_a_worker_killed_in_the_middle_of_a_reaction_leaves_it_to_the_next(
    office: PostOffice, tmp_path: Path
) -> None:
    book = uuid4()
    await office.publish(book, 1)
    await kill_in_the_middle(office, tmp_path / "reached")
    await asyncio.sleep(1.1)  # its lease
    await office.settle(archive())
    assert await effects(office) == [(book, 1)]


async def test_one_worker_at_a_time_consumes_for_a_group(office: PostOffice) -> None:
    settings = settings_with(events_lease_seconds="1")
    inside, most = 0, 0

    async def count(tx: Tx, book: BookState, message: Message) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await note(tx, book, message)
        await asyncio.sleep(0.01)
        inside -= 1

    workers = [await running(office.worker(on_update(count), settings=settings)) for _ in range(2)]
    for version in range(1, 41):
        await office.publish(UUID(int=version % 4), version)

    async def all_handled() -> bool:
        return len(await effects(office)) == 40

    await until(all_handled)
    for stop, task in workers:
        stop.set()
        await task
    assert most == 1


async def test_two_workers_with_leases_that_run_out_still_react_once_each(office: PostOffice) -> None:
    """The lease is for thrift; what makes an effect happen once is the inbox."""
    settings = settings_with(events_lease_seconds="1")

    async def dawdle(tx: Tx, book: BookState, message: Message) -> None:
        await asyncio.sleep(1.3 if book.version == 1 else 0)
        await note(tx, book, message)

    book = uuid4()
    for version in (1, 2, 3):
        await office.publish(book, version)
    workers = [await running(office.worker(on_update(dawdle), settings=settings)) for _ in range(2)]

    async def all_handled() -> bool:
        return len(await effects(office)) >= 3

    await until(all_handled)
    for stop, task in workers:
        stop.set()
        await task
    assert await effects(office) == [(book, 1), (book, 2), (book, 3)]


async def test_an_event_reaches_its_reaction_at_once(
    office: PostOffice, record_property: Callable[[str, object], None]
) -> None:
    reached: asyncio.Queue[float] = asyncio.Queue()

    async def arrive(_tx: Tx, _book: BookState, _message: Message) -> None:
        reached.put_nowait(perf_counter())

    # A poll so rare that only the wake-up can be the reason.
    stop, task = await running(office.worker(on_update(arrive), poll_seconds=30))
    seconds = []
    for version in range(30):
        await office.publish(uuid4(), version)
        committed = perf_counter()
        seconds.append(await asyncio.wait_for(reached.get(), 5) - committed)
        await asyncio.sleep(0.02)
    stop.set()
    await task
    record_property("commit_to_reaction_ms", round(median(seconds) * 1000, 2))
    assert median(seconds) < 0.2


async def test_an_event_whose_wake_up_was_lost_is_found_by_polling(office: PostOffice) -> None:
    stop, task = await running(office.worker(archive(), poll_seconds=0.1))
    await at_rest(office)
    database = office.database("library")
    async with database.transaction() as tx:
        tx.publish(BOOK_UPDATE, BookState(book_id=uuid4(), version=1, title=""))
        tx._wakes = False  # noqa: SLF001 - the wake-up that is lost

    async def handled() -> bool:
        return len(await effects(office)) == 1

    await until(handled)
    stop.set()
    await task


async def test_a_worker_whose_connections_are_cut_goes_on(office: PostOffice) -> None:
    stop, task = await running(office.worker(archive(), poll_seconds=0.2))
    book = uuid4()
    await office.publish(book, 1)

    async def handled(count: int) -> bool:
        return len(await effects(office)) == count

    await until(lambda: handled(1))
    await office.cut_connections()
    await office.publish(book, 2)
    await until(lambda: handled(2), seconds=20)
    assert await effects(office) == [(book, 1), (book, 2)]
    stop.set()
    await task


async def test_a_group_with_effects_elsewhere_starts_with_recent_events(office: PostOffice) -> None:
    old, recent = uuid4(), uuid4()
    await office.publish(old, 1)
    async with office.database("library").transaction() as tx:
        await tx.execute("UPDATE outbox SET time = time - interval '2 hours'")
    await office.publish(recent, 1)
    await office.settle(archive(rewindable=False))
    assert await effects(office) == [(recent, 1)]
