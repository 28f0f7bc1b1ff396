"""What holds where a relay feeds a broker: repetitions, dead letters, strangers, and servers that go away."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from secrets import token_hex
from uuid import UUID, uuid4

import msgspec
import pytest
from msgspec.structs import replace

from moocflix.platform.clock import utc_now
from moocflix.platform.database.transaction import Tx
from moocflix.platform.events import dead_letters, resending
from moocflix.platform.events.broker import Parcel
from moocflix.platform.events.envelope import Message
from moocflix.platform.events.relay import Relay
from moocflix.platform.events.unsent import unsent
from tests.distributed.bus_office import BusOffice, books, each_in_order, on_update
from tests.platform.post_office import BOOK_CREATION, BOOK_UPDATE, BookState, archive, note
from tests.waiting import until

pytestmark = pytest.mark.parametrize("carrier", ["kafka", "rabbitmq"], indirect=True)


async def test_what_comes_twice_has_one_effect(bus: BusOffice) -> None:
    shelf = books(2)
    async with bus.at_work(archive()):
        await bus.publish(shelf, range(1, 6))
        await bus.handled(shelf, 10)
        async with bus.library.transaction() as tx:
            await tx.execute("UPDATE relays SET old_snapshot = '1:1:', token = token + 1, expires_at = '-infinity'")
        await bus.publish(shelf, [6])
        await bus.handled(shelf, 12)
    assert each_in_order(await bus.effects(shelf), shelf, range(1, 7))


async def received(bus: BusOffice, group: str, shelf: Sequence[UUID], *, last: int) -> list[tuple[UUID, int]]:
    """What comes to a group of these books, up to this version of each."""
    found: list[tuple[UUID, int]] = []
    keys = set(map(str, shelf))
    subscription = bus.broker().subscribe(group, [BOOK_CREATION, BOOK_UPDATE])
    try:
        async with asyncio.timeout(40):
            while not {(book, last) for book in shelf} <= set(found):
                messages = [message for delivery in await subscription.receive(1) for message in delivery.messages]
                states = [msgspec.json.decode(one.data, type=BookState) for one in messages if one.key in keys]
                found += [(state.book_id, state.version) for state in states]
    finally:
        await subscription.close()
    return found


async def test_what_a_rewound_group_gets_again_comes_to_no_other(bus: BusOffice) -> None:
    shelf, service, broker = books(3), archive(), bus.broker()
    other = f"other-{uuid4().hex}"
    await broker.prepare((), {other: [BOOK_CREATION, BOOK_UPDATE]})
    async with bus.at_work(service):
        await bus.publish(shelf, range(1, 6))
        await bus.handled(shelf, 15)
        await resending.rewind(service, bus.archive, {"library": bus.outboxes()}, broker, time=None)
        await bus.handled(shelf, 30)
        # For each book behind everything that was sent again.
        await bus.publish(shelf, [6])
        await bus.handled(shelf, 33)
    assert each_in_order(await received(bus, other, shelf, last=6), shelf, range(1, 7))


def sent_by(relay: Relay) -> list[Parcel]:
    """What this relay has sent, which is listened to from now on."""
    sent: list[Parcel] = []
    publish = relay._broker.publish  # noqa: SLF001 - what goes out is listened to

    async def listened(parcels: Sequence[Parcel]) -> None:
        await publish(parcels)
        sent.extend(parcels)

    relay._broker.publish = listened  # type: ignore[method-assign]  # noqa: SLF001
    return sent


async def copied(sent: Sequence[Parcel]) -> list[bytes]:
    """The data of the dead letters that went out."""
    return [
        parcel.message.data
        for parcel in sent
        if parcel.address == "Book-Update.dead-letter" and parcel.message.source == "archive"
    ]


async def test_a_dead_letter_is_copied_to_the_topic_for_it_and_may_be_tried_again(bus: BusOffice) -> None:
    shelf = (book,) = books(1)
    broken = True

    async def choke(tx: Tx, state: BookState, message: Message) -> None:
        # What an earlier test has left at the broker is none of this one's.
        if broken and state.book_id == book:
            raise ValueError
        await note(tx, state, message)

    service = on_update(choke)
    relay, worker = bus.relay(service), bus.worker(service)
    sent = sent_by(relay)
    async with bus.running(relay, worker):
        await bus.publish([book], [1])
        await until(lambda: bus.value("SELECT count(*) FROM dead_letters"))

        await until(lambda: copied(sent))
        broken = False
        async with bus.archive.transaction() as tx:
            assert await dead_letters.replay(tx) == 1
        await bus.handled(shelf, 1)


async def test_what_is_no_event_of_ours_parks(bus: BusOffice) -> None:
    shelf = (book,) = books(1)
    stranger = Message(uuid4(), "Book-Update", str(book), str(book), "library", utc_now(), b"this is no JSON")
    async with bus.at_work(archive()):
        broker = bus.broker()
        await broker.publish([Parcel("Book-Update", stranger)])
        await bus.publish([book], [1])
        await until(lambda: bus.value("SELECT count(*) FROM dead_letters"))
        await bus.handled(shelf, 1)
        assert await bus.value("SELECT data FROM dead_letters") == {"unreadable": "this is no JSON"}
        assert await bus.value("SELECT attempts FROM dead_letters") == 1


async def test_nothing_that_strangers_send_holds_up_a_group(bus: BusOffice) -> None:
    shelf = (book,) = books(1)
    ours = Message(uuid4(), "Book-Update", str(book), str(book), "library", utc_now(), b"{}")
    strange = [
        replace(ours, time=datetime(2026, 11, 21)),  # noqa: DTZ001 - without a zone is what is strange about it
        replace(ours, data=b"[" * 1_500 + b"]" * 1_500),
        replace(ours, subject="a\0b"),
        replace(ours, correlation_id="a\0b"),
        replace(ours, data=b'{"version": 1e-20000}'),
        replace(ours, data=b'{"version": 0e9999999999}'),
        replace(ours, key=token_hex(5_000)),
    ]
    async with bus.at_work(archive(rewindable=False)):
        for message in strange:
            # On its own: fresh ids, so that none is taken for a repetition.
            await bus.broker().publish([Parcel("Book-Update", replace(message, id=uuid4()))])
        await bus.publish([book], [1])

        async def all_parked() -> bool:
            return bool(await bus.value("SELECT count(*) FROM dead_letters") == len(strange))

        await until(all_parked)
        await bus.handled(shelf, 1)


async def test_a_dead_letter_that_is_larger_written_out_than_a_record_may_be_holds_nothing_up(bus: BusOffice) -> None:
    shelf = (book,) = books(1)
    large = b'{"n": [' + b"1e300, " * 4_000 + b"1]}"
    stranger = Message(uuid4(), "Book-Update", str(book), str(book), "library", utc_now(), large)
    service = archive()
    relay = bus.relay(service)
    sent = sent_by(relay)
    async with bus.running(relay, bus.worker(service)):
        await bus.broker().publish([Parcel("Book-Update", stranger)])
        await until(lambda: copied(sent))
        size = await bus.value("SELECT octet_length(data::text) FROM dead_letters")
        assert size > 1_200_000
        assert [msgspec.json.decode(data) for data in await copied(sent)] == [{"tooLarge": size}]
        await bus.publish([book], [1])
        await bus.handled(shelf, 1)


async def test_several_relays_share_the_work_and_keep_the_order(bus: BusOffice) -> None:
    shelf, versions = books(8), range(1, 41)
    async with bus.running(bus.worker(archive()), bus.relay(archive())):
        async with bus.running(bus.relay(archive())):
            await bus.publish(shelf, versions[:20])
            await bus.handled(shelf, 40)
        await bus.publish(shelf, versions[20:])
        await bus.handled(shelf, 320)
    assert each_in_order(await bus.effects(shelf), shelf, versions)


async def test_a_broker_killed_and_started_again_loses_nothing(bus: BusOffice) -> None:
    shelf, versions = books(4), range(1, 61)
    async with bus.at_work(archive()):
        await bus.publish(shelf, versions[:20])
        await bus.handled(shelf, 20)
        bus.server.kill()
        # Requests go on: what they commit waits.
        await bus.publish(shelf, versions[20:40])
        await asyncio.sleep(1)
        waiting = await unsent(bus.library.reader)
        assert waiting.events > 0
        assert waiting.seconds > 0.9
        bus.server.start()
        await bus.publish(shelf, versions[40:])
        await bus.handled(shelf, 240, seconds=100)
    assert each_in_order(await bus.effects(shelf), shelf, versions)
    assert (await unsent(bus.library.reader)).events == 0
