"""Where a group stands: when it begins over a broker, when it is rewound, and when there is nothing to do."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from moocflix.platform import leases
from moocflix.platform.clock import utc_now
from moocflix.platform.errors import Unavailable
from moocflix.platform.events import resending
from moocflix.platform.events.broker import Broker, Parcel
from moocflix.platform.events.envelope import Message, Topic
from moocflix.platform.events.inbox import LEASE, Inbox
from moocflix.platform.ids import new_id
from moocflix.platform.service import Service
from tests.distributed.bus_office import BusOffice, books, each_in_order
from tests.platform.post_office import BookState, archive
from tests.waiting import until

pytestmark = pytest.mark.parametrize("carrier", ["kafka", "rabbitmq"], indirect=True)


async def publish_two_hours_ago(bus: BusOffice, shelf: Sequence[UUID]) -> None:
    async with bus.library.transaction() as tx:
        await tx.execute("UPDATE outbox SET time = time - interval '2 hours'")
    await bus.publish(shelf, [1])
    async with bus.library.transaction() as tx:
        await tx.execute("UPDATE outbox SET time = time - interval '2 hours'")


async def test_a_group_with_effects_elsewhere_starts_with_recent_events(bus: BusOffice) -> None:
    old, recent = books(2)
    await publish_two_hours_ago(bus, [old])
    await bus.publish([recent], [1])
    async with bus.at_work(archive(rewindable=False)):
        await bus.handled([recent], 1)
        await bus.publish([old], [2])
        await bus.handled([old], 1)
    assert await bus.effects([old, recent]) == [(recent, 1), (old, 2)]


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("UPDATE offsets SET updated_at = updated_at - interval '3 hours'", id="away"),
        pytest.param("UPDATE inbox SET time = time - interval '3 hours'", id="behind"),
    ],
)
async def test_a_group_whose_bus_is_changed_leaves_out_nothing(bus: BusOffice, before: str) -> None:
    read, unread = books(2)
    service = archive(rewindable=False)
    await bus.publish([read], [1])
    await bus.office.settle(service)
    async with bus.archive.transaction() as tx:
        await tx.execute(before)
    await publish_two_hours_ago(bus, [unread])
    async with bus.at_work(service):
        await bus.handled([unread], 1)
        await bus.publish([read], [2])
        await bus.handled([read], 2)
    assert await bus.effects([read, unread]) == [(read, 1), (unread, 1), (read, 2)]


async def test_what_is_handled_while_a_rewind_begins_comes_again_too(bus: BusOffice) -> None:
    shelf, service, broker = books(2), archive(), bus.broker()
    prepare = broker.prepare

    async def meanwhile(topics: Sequence[Topic[Any]], groups: Mapping[str, Sequence[Topic[Any]]]) -> None:
        await prepare(topics, groups)
        await bus.publish(shelf, [2])
        await bus.handled(shelf, 4)

    broker.prepare = meanwhile  # type: ignore[method-assign] # something happens between two of its steps
    async with bus.at_work(service):
        await bus.publish(shelf, [1])
        await bus.handled(shelf, 2)
        await resending.rewind(service, bus.archive, {"library": bus.outboxes()}, broker, time=None)
        await bus.handled(shelf, 8)
    assert each_in_order((await bus.effects(shelf))[4:], shelf, [1, 2])


@pytest.mark.parametrize("service", [archive(), archive(reactions=())], ids=["reacting", "not reacting"])
async def test_a_group_at_rest_is_not_due(bus: BusOffice, service: Service) -> None:
    async def at_rest() -> bool:
        noticed = "SELECT count(*) FROM leases WHERE name = 'events' AND expires_at > '-infinity'"
        due = "SELECT next_at <= clock_timestamp() FROM agenda"
        return await bus.value(noticed) == 1 and not await bus.value(due)

    async with bus.at_work(service):
        await until(at_rest)
        await leases.seize(bus.archive.reader, LEASE, holder=new_id())
        await until(at_rest)


async def test_nothing_waits_for_a_group_that_has_never_been_there(bus: BusOffice) -> None:
    group = f"absent-{uuid4().hex}"
    topic = Topic(f"Absent-{uuid4().hex}", "library", BookState, key="book_id")
    waiting = await bus.broker().waiting(group, [topic])
    assert waiting
    assert {(one.group, one.messages) for one in waiting} == {(group, 0)}
    # What looking may have made takes events once the group is there.
    await bus.broker().prepare([topic], {group: [topic]})
    event = Message(uuid4(), topic.name, "key", "key", "library", utc_now(), b'{"version":1}')
    await bus.broker().publish([Parcel(topic.name, event)])

    async def one_waits() -> bool:
        # A server that has just been made does not know the offsets of groups yet.
        with suppress(Unavailable):
            return sum(one.messages for one in await bus.broker().waiting(group, [topic])) == 1
        return False

    await until(one_waits)


async def test_a_worker_whose_retries_cannot_go_on_ends(bus: BusOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_inbox: Inbox, *, token: int, ahead: timedelta) -> bool:
        raise LookupError

    monkeypatch.setattr(Inbox, "retry", broken)
    with pytest.raises(LookupError):
        async with asyncio.timeout(40):
            await bus.worker(archive()).run(asyncio.Event())


@pytest.fixture
def connecting(bus: BusOffice, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when the bus's client connects, which loses a cancellation: the AMQP client does now and then."""
    begun = asyncio.Event()

    async def forgetful(_broker: Broker, *_: object) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise Unavailable from None

    monkeypatch.setattr(type(bus.broker()), "prepare", forgetful)
    return begun


async def test_a_worker_ends_although_its_client_loses_the_cancellation(
    bus: BusOffice, connecting: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_inbox: Inbox, *, token: int, ahead: timedelta) -> bool:
        await connecting.wait()
        raise LookupError

    monkeypatch.setattr(Inbox, "retry", broken)
    with pytest.raises(LookupError):
        async with asyncio.timeout(20):
            await bus.worker(archive()).run(asyncio.Event())


async def test_a_relay_stops_although_its_client_loses_the_cancellation(
    bus: BusOffice, connecting: asyncio.Event
) -> None:
    # It stops as soon as it connects.
    async with asyncio.timeout(20):
        await bus.relay(archive()).run(connecting)
