"""The first events of a topic: the broker says that it is there before it takes anything for it."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from confluent_kafka import Consumer, TopicPartition

from moocflix.platform.clock import utc_now
from moocflix.platform.events.broker import Broker, Parcel
from moocflix.platform.events.brokers import open_broker
from moocflix.platform.events.envelope import Message, Topic
from tests.distributed.bus_office import Carrier
from tests.platform.post_office import BookState

RELAYS, TOPICS, ROUNDS = 6, 40, 4
SECONDS = 2.0
"""For how long each round begins to publish; what is wrong shows at its very beginning or never."""


def event(topic: str, number: int) -> Message:
    """One that nobody reacts to."""
    key = f"key {number % 7}"
    return Message(uuid4(), topic, key, key, "library", utc_now(), b'{"version":1}')


async def publish(brokers: Sequence[Broker], names: Sequence[str]) -> set[UUID]:
    """Event upon event to each topic, without waiting for one another; the ids of all, once they are acknowledged."""
    under_way: list[asyncio.Task[None]] = []
    begun: set[UUID] = set()
    number, until = 0, time.monotonic() + SECONDS
    while time.monotonic() < until:
        number += 1
        for broker in brokers:
            events = [event(name, number) for name in names]
            begun |= {each.id for each in events}
            under_way.append(asyncio.create_task(broker.publish([Parcel(each.topic, each) for each in events])))
        await asyncio.sleep(0.004)
    await asyncio.gather(*under_way)
    return begun


def lying_in(servers: str, names: Sequence[str]) -> set[UUID]:
    """The ids of all that these topics hold."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "reader", "enable.auto.commit": False})
    found: set[UUID] = set()
    try:
        there = consumer.list_topics(timeout=30).topics
        places = [TopicPartition(name, number, 0) for name in names for number in there[name].partitions]
        left = sum(consumer.get_watermark_offsets(place, timeout=30)[1] for place in places)
        consumer.assign(places)
        while left:
            records: list[Any] = consumer.consume(min(left, 1000), 30)
            assert records, f"{left} are left, and nothing comes"
            left -= len(records)
            found |= {UUID(dict(record.headers())["ce_id"].decode()) for record in records}
        return found
    finally:
        consumer.close()


@pytest.mark.parametrize("carrier", ["kafka"], indirect=True)
async def test_what_a_new_topic_acknowledges_is_in_it(carrier: Carrier) -> None:
    for _ in range(ROUNDS):
        topics = [Topic(f"New-{uuid4().hex}", "library", BookState, key="book_id") for _ in range(TOPICS)]
        names = [topic.name for topic in topics]
        brokers = [broker for _ in range(RELAYS) if (broker := open_broker(carrier.settings)) is not None]
        await brokers[0].prepare(topics, {})
        acknowledged = await publish(brokers, names)
        for broker in brokers:
            await broker.close()
        missing = acknowledged - await asyncio.to_thread(lying_in, carrier.values["kafka_servers"], names)
        assert not missing, f"{len(missing)} of {len(acknowledged)} acknowledged events are lost"
