"""An error that Kafka's producer does not survive: the relay goes on with another producer."""

import ctypes
from typing import Any

import pytest
from confluent_kafka import KafkaError, cimpl

from tests.distributed.bus_office import BusOffice, books, each_in_order
from tests.distributed.frozen import frozen
from tests.platform.post_office import archive
from tests.waiting import until

pytestmark = pytest.mark.parametrize("carrier", ["kafka"], indirect=True)


def break_for_good(producer: object) -> None:
    """By the library's own means for tests of this; its handle is the first field of the object."""
    library = ctypes.CDLL(cimpl.__file__)
    library.rd_kafka_test_fatal_error.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p]
    handle = ctypes.c_void_p.from_address(id(producer) + object.__basicsize__)
    code = KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert library.rd_kafka_test_fatal_error(handle, code, b"a test") == 0


async def test_what_is_published_after_it_arrives(bus: BusOffice) -> None:
    shelf = books(8)
    relay: Any = bus.relay(archive())
    async with bus.running(relay, bus.worker(archive())):
        await bus.publish(shelf, [1])
        await bus.handled(shelf, 8)
        break_for_good(relay._broker._sender._producer)  # noqa: SLF001 - no other way leads to it
        await bus.publish(shelf, range(2, 6))
        await bus.handled(shelf, 40)
    assert each_in_order(await bus.effects(shelf), shelf, range(1, 6))


async def test_what_was_under_way_arrives(bus: BusOffice) -> None:
    shelf = books(8)
    relay: Any = bus.relay(archive())
    async with bus.running(relay, bus.worker(archive())):
        await bus.publish(shelf, [1])
        await bus.handled(shelf, 8)
        sender = relay._broker._sender  # noqa: SLF001 - no other way leads to it
        pid = bus.server.pid
        assert pid is not None
        with frozen(pid):
            await bus.publish(shelf, [2])

            async def under_way() -> bool:
                return len(sender._producer) > 0  # noqa: SLF001

            await until(under_way)
            break_for_good(sender._producer)  # noqa: SLF001

            async def replaced() -> bool:
                return relay._broker._sender is not sender  # noqa: SLF001

            await until(replaced)
        await bus.publish(shelf, range(3, 6))
        await bus.handled(shelf, 40)
    assert each_in_order(await bus.effects(shelf), shelf, range(1, 6))
