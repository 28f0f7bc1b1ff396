"""What every bus keeps: all events, in order for each key, each with one effect, whatever dies meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from moocflix.platform.clock import utc_now
from moocflix.platform.database.transaction import Tx
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.events import dead_letters, groups, resending
from moocflix.platform.events.broker import Parcel, topics_of_group
from moocflix.platform.events.envelope import Message
from moocflix.platform.events.unsent import unsent
from moocflix.platform.local_servers.kafka import KafkaServer
from moocflix.platform.local_servers.rabbitmq import RabbitServer
from moocflix.platform.migrations import MigrationSource, migrate
from moocflix.platform.service import React, Reaction, Service
from moocflix.platform.settings import Settings
from moocflix.platform.trace import Trace, set_trace
from tests.distributed.bus_office import BusOffice, Carrier, books, each_in_order, until
from tests.platform.post_office import (
    BOOK_CREATION,
    BOOK_UPDATE,
    MIGRATIONS,
    BookState,
    PostOffice,
    archive,
    copy_book,
    note,
    settings_with,
)

QUICK = {"events_backoff_seconds": "0.01", "events_poll_seconds": "0.2", "events_lease_seconds": "2"}


@pytest.fixture(scope="session")
async def bus_urls(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> DatabaseUrls:
    urls = DatabaseUrls.of(settings).in_database(f"bus_{uuid4().hex}")
    sources = []
    for name, sql in MIGRATIONS.items():
        folder = tmp_path_factory.mktemp(name)
        (folder / "0001_pre_tables.sql").write_text(sql)
        sources.append(MigrationSource(name, folder))
    await migrate(urls, sources)
    return urls


@pytest.fixture(scope="module", params=["postgres", "kafka", "rabbitmq"])
def carrier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Carrier]:
    """One bus after the other, each with its real server."""
    data: Path = tmp_path_factory.mktemp(request.param)
    if request.param == "postgres":
        yield Carrier("postgres", settings_with(**QUICK), None)
        return
    server = KafkaServer(data) if request.param == "kafka" else RabbitServer(data)
    server.start()
    address = (
        {"kafka_servers": server.bootstrap_servers} if isinstance(server, KafkaServer) else {"rabbitmq_url": server.url}
    )
    yield Carrier(request.param, settings_with(events_bus=request.param, **address, **QUICK), server)
    server.stop()


@pytest.fixture
async def bus(bus_urls: DatabaseUrls, carrier: Carrier) -> AsyncIterator[BusOffice]:
    office = PostOffice(bus_urls, carrier.settings)
    await office.empty()
    yield BusOffice(office, carrier)
    await office.close()


def on_update(run: React) -> Service:
    return archive(reactions=(Reaction(topic=BOOK_UPDATE, run=run),))


async def handled(bus: BusOffice, number: int, *, seconds: float = 40.0) -> None:
    async def all_there() -> bool:
        return len(await bus.effects()) >= number

    await until(all_there, seconds=seconds)


async def test_everything_takes_effect_once_and_in_order_for_each_key(bus: BusOffice) -> None:
    shelf, versions = books(8), range(1, 31)
    async with bus.at_work(archive()):
        await bus.publish(shelf, versions)
        await handled(bus, 240)
    assert each_in_order(await bus.effects(), shelf, versions)


async def test_what_comes_twice_has_one_effect(bus: BusOffice) -> None:
    if not bus.relayed:
        return
    shelf = books(2)
    async with bus.at_work(archive()):
        await bus.publish(shelf, range(1, 6))
        await handled(bus, 10)
        async with bus.library.transaction() as tx:
            await tx.execute("UPDATE relays SET old_snapshot = '1:1:', token = token + 1, expires_at = '-infinity'")
        await bus.publish(shelf, [6])
        await handled(bus, 12)
    assert each_in_order(await bus.effects(), shelf, range(1, 7))


async def test_a_poisoned_event_parks_while_all_others_go_on(bus: BusOffice) -> None:
    shelf = books(4)
    bad = shelf[0]

    async def choke(tx: Tx, book: BookState, message: Message) -> None:
        if (book.book_id, book.version) == (bad, 2):
            raise ValueError(book.title)
        await note(tx, book, message)

    async with bus.at_work(on_update(choke)):
        await bus.publish(shelf, range(1, 6))
        await handled(bus, 19)
        await until(lambda: bus.value("SELECT count(*) FROM dead_letters"))
        assert len(await dead_letters.listing(bus.archive.reader)) == 1
    found = await bus.effects()
    assert each_in_order(found, shelf[1:], range(1, 6))
    assert [version for book, version in found if book == bad] == [1, 3, 4, 5]


async def test_a_dead_letter_is_copied_to_the_topic_for_it_and_may_be_tried_again(bus: BusOffice) -> None:
    if not bus.relayed:
        return
    (book,) = books(1)
    broken = True

    async def choke(tx: Tx, book: BookState, message: Message) -> None:
        if broken:
            raise ValueError
        await note(tx, book, message)

    service = on_update(choke)
    sent: list[Parcel] = []
    relay, worker = bus.relay(service), bus.worker(service)
    publish = relay._broker.publish  # noqa: SLF001 - what goes out is listened to

    async def listened(parcels: Any) -> None:
        await publish(parcels)
        sent.extend(parcels)

    relay._broker.publish = listened  # type: ignore[method-assign]  # noqa: SLF001
    async with bus.running(relay, worker):
        await bus.publish([book], [1])
        await until(lambda: bus.value("SELECT count(*) FROM dead_letters"))

        async def copied() -> bool:
            return any(p.address == "Book-Update.dead-letter" and p.message.source == "archive" for p in sent)

        await until(copied)
        broken = False
        async with bus.archive.transaction() as tx:
            assert await dead_letters.replay(tx) == 1
        await handled(bus, 1)


async def test_what_is_no_event_of_ours_parks(bus: BusOffice) -> None:
    if not bus.relayed:
        return
    (book,) = books(1)
    stranger = Message(uuid4(), "Book-Update", str(book), str(book), "library", utc_now(), b"this is no JSON")
    async with bus.at_work(archive()):
        broker = bus.broker()
        await broker.publish([Parcel("Book-Update", stranger)])
        await bus.publish([book], [1])
        await until(lambda: bus.value("SELECT count(*) FROM dead_letters"))
        await handled(bus, 1)
        await broker.close()


async def test_a_worker_that_ends_in_the_middle_leaves_the_rest_to_the_next(bus: BusOffice) -> None:
    shelf, versions = books(6), range(1, 41)
    relays = [bus.relay(archive())] if bus.relayed else []
    async with bus.running(*relays):
        await bus.publish(shelf, versions)
        async with bus.running(bus.worker(archive())):
            await handled(bus, 20)
        async with bus.running(bus.worker(archive())):
            await handled(bus, 240)
    assert each_in_order(await bus.effects(), shelf, versions)


async def test_workers_that_come_and_go_lose_nothing_and_keep_the_order(bus: BusOffice) -> None:
    shelf, versions = books(6), range(1, 61)
    relays = [bus.relay(archive())] if bus.relayed else []
    async with bus.running(*relays, bus.worker(archive())):
        publishing = asyncio.create_task(bus.publish(shelf, versions))
        async with bus.running(bus.worker(archive())):
            await handled(bus, 60)
        async with bus.running(bus.worker(archive())):
            await publishing
            await handled(bus, 360)
    assert each_in_order(await bus.effects(), shelf, versions)


async def test_several_relays_share_the_work_and_keep_the_order(bus: BusOffice) -> None:
    if not bus.relayed:
        return
    shelf, versions = books(8), range(1, 41)
    async with bus.running(bus.worker(archive()), bus.relay(archive())):
        async with bus.running(bus.relay(archive())):
            await bus.publish(shelf, versions[:20])
            await handled(bus, 40)
        await bus.publish(shelf, versions[20:])
        await handled(bus, 320)
    assert each_in_order(await bus.effects(), shelf, versions)


async def test_a_kafka_killed_and_started_again_loses_nothing(bus: BusOffice) -> None:
    server = bus.carrier.server
    if not isinstance(server, KafkaServer):
        return
    shelf, versions = books(4), range(1, 61)
    async with bus.at_work(archive()):
        await bus.publish(shelf, versions[:20])
        await handled(bus, 20)
        server.kill()
        # Requests go on: what they commit waits.
        await bus.publish(shelf, versions[20:40])
        await asyncio.sleep(1)
        waiting = await unsent(bus.library.reader)
        assert waiting.events > 0
        assert waiting.seconds > 0.9
        server.start()
        await bus.publish(shelf, versions[40:])
        await handled(bus, 240, seconds=100)
    assert each_in_order(await bus.effects(), shelf, versions)
    assert (await unsent(bus.library.reader)).events == 0


async def test_a_rewound_group_gets_everything_again_and_no_other_does(bus: BusOffice) -> None:
    shelf, versions = books(3), range(1, 6)
    service = archive(reactions=(Reaction(topic=BOOK_CREATION, run=copy_book), Reaction(topic=BOOK_UPDATE, run=note)))
    other = replace(service, name="stranger")
    buses = dict.fromkeys(["library"], bus.office.bus())
    async with bus.at_work(service):
        await bus.publish(shelf, versions)
        await handled(bus, 15)
        if bus.relayed:
            broker = bus.broker()
            await resending.rewind(service, bus.archive, buses, broker, time=None)
            others = await broker.waiting("stranger", topics_of_group(other.reactions))
            assert all(one.messages == 0 for one in others if "replay" in one.address or one.address.startswith("mo"))
            await broker.close()
        else:
            await groups.rewind(service, bus.archive, buses, time=None)
        await handled(bus, 30)
        await bus.publish(shelf, [6])
        await handled(bus, 33)
    await buses["library"].close()
    found = await bus.effects()
    assert each_in_order(found[15:], shelf, range(1, 7))


async def test_an_event_carries_its_trace(bus: BusOffice) -> None:
    seen: list[Message] = []

    async def look(tx: Tx, book: BookState, message: Message) -> None:
        seen.append(message)
        await note(tx, book, message)

    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    set_trace(Trace("the-correlation", trace))
    (book,) = books(1)
    async with bus.at_work(on_update(look)):
        await bus.publish([book], [1])
        await handled(bus, 1)
    (message,) = seen
    row = await bus.library.reader.fetchrow("SELECT id, time FROM outbox")
    assert row is not None
    assert (message.correlation_id, message.traceparent) == ("the-correlation", trace)
    assert (message.id, message.time, message.key, message.source) == (row["id"], row["time"], str(book), "library")
