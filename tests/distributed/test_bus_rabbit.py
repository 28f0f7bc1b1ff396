"""What only RabbitMQ does to those who send through it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from time import monotonic
from uuid import uuid4

import aio_pika
import pytest
from yarl import URL

from moocflix.platform.clock import utc_now
from moocflix.platform.events import rabbitmq
from moocflix.platform.events.broker import Parcel
from moocflix.platform.events.brokers import open_broker
from moocflix.platform.events.envelope import Message
from moocflix.platform.events.settings import RabbitSettings
from moocflix.platform.waiting import wait_at_most
from tests.distributed.bus_office import BusOffice, Carrier, books, each_in_order
from tests.distributed.rabbit_server import RabbitServer
from tests.platform.post_office import BOOK_UPDATE, archive, settings_with
from tests.waiting import until

pytestmark = pytest.mark.parametrize("carrier", ["rabbitmq"], indirect=True)

# To send all of it takes about three times as long as a server may be silent.
SILENT_SECONDS, BATCHES, EVENTS, BYTES = 2.0, 8, 50, 250
PIECE, PIECES = 1000, 60


def batch() -> list[Parcel]:
    data = b'{"title":"' + b"x" * BYTES + b'"}'
    keys = [str(uuid4()) for _ in range(EVENTS)]
    events = [Message(uuid4(), BOOK_UPDATE.name, key, key, "library", utc_now(), data) for key in keys]
    return [Parcel(BOOK_UPDATE.name, event) for event in events]


async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(1 / PIECES)
    writer.close()


@asynccontextmanager
async def slow_way(url: URL) -> AsyncIterator[URL]:
    """A way to a server that lets so many pieces through in a second; whoever went it is gone before its end."""
    gone = asyncio.Event()

    async def both_ways(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(url.host, url.port)
        await asyncio.gather(slowly(reader, requests), slowly(answers, writer))
        gone.set()

    async with await asyncio.start_server(both_ways, "127.0.0.1", 0, limit=PIECE) as server:
        yield url.with_port(server.sockets[0].getsockname()[1])
        await wait_at_most(10, gone)


async def test_a_slow_server_is_not_taken_for_one_that_is_away(
    carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with slow_way(URL(carrier.values["rabbitmq_url"])) as url:
        broker = open_broker(settings_with(**{**carrier.values, "rabbitmq_url": str(url)}))
        assert broker is not None
        try:
            await broker.prepare([BOOK_UPDATE], {})
            monkeypatch.setattr(rabbitmq, "_ANSWER_SECONDS", SILENT_SECONDS)
            began = monotonic()
            await asyncio.gather(*(broker.publish(batch()) for _ in range(BATCHES)))
            assert monotonic() - began > 2 * SILENT_SECONDS, "this was not slow"
        finally:
            await broker.close()


async def test_a_server_that_lost_all_it_held_gets_what_comes_after_to_the_groups(bus: BusOffice) -> None:
    shelf, server = books(4), bus.server
    assert isinstance(server, RabbitServer)
    async with bus.at_work(archive()):
        await bus.publish(shelf, range(1, 6))
        await bus.handled(shelf, 20)
        server.kill()
        server.empty()
        server.start()
        await bus.publish(shelf, range(6, 11))
        await bus.handled(shelf, 40)
    assert each_in_order(await bus.effects(shelf), shelf, range(1, 11))


async def test_a_group_whose_queues_were_deleted_makes_them_anew(bus: BusOffice) -> None:
    shelf, versions = books(8), count(2)

    async def one_of_each_comes() -> bool:
        # What is sent before the queues are there again is lost to the group.
        await bus.publish(shelf, [next(versions)])
        return {book for book, version in await bus.effects(shelf) if version > 1} == set(shelf)

    async with bus.at_work(archive()), await aio_pika.connect(bus.carrier.values["rabbitmq_url"]) as connection:
        await bus.publish(shelf, [1])
        await bus.handled(shelf, 8)
        channel = await connection.channel()
        for number in range(bus.settings.of(RabbitSettings).queues):
            await channel.queue_delete(f"moocflix.archive.{number}")
        await until(one_of_each_comes)
