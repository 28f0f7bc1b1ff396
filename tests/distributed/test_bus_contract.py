"""What every bus keeps: all events, in order for each key, each with one effect, whatever dies meanwhile."""

import asyncio

from moocflix.platform.database.transaction import Tx
from moocflix.platform.events import dead_letters, groups, resending
from moocflix.platform.events.envelope import Message
from moocflix.platform.service import Reaction
from moocflix.platform.trace import Trace, set_trace
from tests.distributed.bus_office import BusOffice, books, each_in_order, on_update
from tests.platform.post_office import BOOK_CREATION, BOOK_UPDATE, BookState, archive, copy_book, note
from tests.waiting import until


async def test_everything_takes_effect_once_and_in_order_for_each_key(bus: BusOffice) -> None:
    shelf, versions = books(8), range(1, 31)
    async with bus.at_work(archive()):
        await bus.publish(shelf, versions)
        await bus.handled(shelf, 240)
    assert each_in_order(await bus.effects(shelf), shelf, versions)


async def test_a_poisoned_event_parks_while_all_others_go_on(bus: BusOffice) -> None:
    shelf = books(4)
    bad = shelf[0]

    async def choke(tx: Tx, book: BookState, message: Message) -> None:
        if (book.book_id, book.version) == (bad, 2):
            raise ValueError(book.title)
        await note(tx, book, message)

    async with bus.at_work(on_update(choke)):
        await bus.publish(shelf, range(1, 6))
        await bus.handled(shelf, 19)
        await until(lambda: bus.value("SELECT count(*) FROM dead_letters"))
        assert len(await dead_letters.listing(bus.archive.reader)) == 1
    found = await bus.effects(shelf)
    assert each_in_order(found, shelf[1:], range(1, 6))
    assert [version for book, version in found if book == bad] == [1, 3, 4, 5]


async def test_a_worker_that_ends_in_the_middle_leaves_the_rest_to_the_next(bus: BusOffice) -> None:
    shelf, versions = books(6), range(1, 41)
    relays = [bus.relay(archive())] if bus.relayed else []
    async with bus.running(*relays):
        await bus.publish(shelf, versions)
        async with bus.running(bus.worker(archive())):
            await bus.handled(shelf, 20)
        async with bus.running(bus.worker(archive())):
            await bus.handled(shelf, 240)
    assert each_in_order(await bus.effects(shelf), shelf, versions)


async def test_workers_that_come_and_go_lose_nothing_and_keep_the_order(bus: BusOffice) -> None:
    shelf, versions = books(6), range(1, 61)
    relays = [bus.relay(archive())] if bus.relayed else []
    async with bus.running(*relays, bus.worker(archive())):
        publishing = asyncio.create_task(bus.publish(shelf, versions))
        async with bus.running(bus.worker(archive())):
            await bus.handled(shelf, 60)
        async with bus.running(bus.worker(archive())):
            await publishing
            await bus.handled(shelf, 360)
    assert each_in_order(await bus.effects(shelf), shelf, versions)


async def test_a_rewound_group_gets_everything_again(bus: BusOffice) -> None:
    shelf, versions = books(3), range(1, 6)
    service = archive(reactions=(Reaction(topic=BOOK_CREATION, run=copy_book), Reaction(topic=BOOK_UPDATE, run=note)))
    buses = {"library": bus.outboxes()}
    async with bus.at_work(service):
        await bus.publish(shelf, versions)
        await bus.handled(shelf, 15)
        if bus.relayed:
            await resending.rewind(service, bus.archive, buses, bus.broker(), time=None)
        else:
            await groups.rewind(service, bus.archive, buses, time=None)
        await bus.handled(shelf, 30)
        await bus.publish(shelf, [6])
        await bus.handled(shelf, 33)
    found = await bus.effects(shelf)
    assert each_in_order(found[15:], shelf, range(1, 7))


async def test_an_event_carries_its_trace(bus: BusOffice) -> None:
    seen: list[Message] = []

    async def look(tx: Tx, book: BookState, message: Message) -> None:
        seen.append(message)
        await note(tx, book, message)

    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    set_trace(Trace("the-correlation", trace))
    shelf = (book,) = books(1)
    async with bus.at_work(on_update(look)):
        await bus.publish([book], [1])
        await bus.handled(shelf, 1)
    (message,) = seen
    row = await bus.library.reader.fetchrow("SELECT id, time FROM outbox")
    assert row is not None
    assert (message.correlation_id, message.traceparent) == ("the-correlation", trace)
    assert (message.id, message.time, message.key, message.source) == (row["id"], row["time"], str(book), "library")
