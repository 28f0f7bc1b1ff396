"""How a topic that is in use gets more partitions: while none of its events is under way."""

import asyncio

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from moocflix.platform.events.settings import KafkaSettings
from tests.distributed.bus_office import BusOffice, books, each_in_order
from tests.platform.post_office import BOOK_UPDATE, archive

pytestmark = pytest.mark.parametrize("carrier", ["kafka"], indirect=True)


def raise_partitions(servers: str, topic: str) -> None:
    """Twice as many, so that half of the keys move."""
    admin = AdminClient({"bootstrap.servers": servers})
    number = 2 * len(admin.list_topics(topic).topics[topic].partitions)
    admin.create_partitions([NewPartitions(topic, number)])[topic].result(10)


async def test_keys_that_move_to_new_partitions_lose_nothing_and_keep_their_order(bus: BusOffice) -> None:
    shelf = books(12)
    async with bus.at_work(archive()):
        await bus.publish(shelf, range(1, 6))
        await bus.handled(shelf, 60)
    # No relay runs now: what is published waits in the outbox.
    await bus.publish(shelf, range(6, 11))
    await asyncio.to_thread(raise_partitions, bus.settings.of(KafkaSettings).servers, BOOK_UPDATE.name)
    async with bus.at_work(archive()):
        await bus.handled(shelf, 120)
    assert each_in_order(await bus.effects(shelf), shelf, range(1, 11))
