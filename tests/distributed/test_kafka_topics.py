"""The topics that are made: as the settings say, and so that no broker that goes takes an event along."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined] # it does not say that it exports them
    AdminClient,
    ConfigResource,
    ResourceType,
)

from moocflix.platform.events.brokers import open_broker
from moocflix.platform.events.envelope import Topic
from moocflix.platform.events.kafka import new_topic
from moocflix.platform.events.settings import KafkaSettings
from moocflix.platform.local_servers.kafka import KafkaServer
from tests.platform.post_office import BookState, settings_with


def made(servers: str, name: str) -> tuple[list[list[int]], dict[str, Any]]:
    """The replicas of each partition of a topic, and what is set for it alone."""
    admin = AdminClient({"bootstrap.servers": servers})
    partitions = admin.list_topics(name, timeout=30).topics[name].partitions
    (described,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name)]).values()
    own = {key: entry.value for key, entry in described.result(30).items() if not entry.is_default}
    return [part.replicas for part in partitions.values()], own


async def test_topics_are_made_as_the_settings_say(kafka_server: KafkaServer) -> None:
    settings = settings_with(
        events_bus="kafka",
        kafka_servers=kafka_server.bootstrap_servers,
        kafka_partitions="5",
        kafka_replicas="1",
        kafka_retention_days="2",
    )
    broker = open_broker(settings)
    assert broker is not None
    number = uuid4().hex
    topic = Topic(f"Set-{number}", "library", BookState, key="book_id", aliases=(f"set_{number}",))
    await broker.prepare([topic], {f"set-{number}": [topic]})
    await broker.close()
    for name in (topic.name, *topic.aliases, f"{topic.name}.dead-letter", f"set-{number}.replay"):
        replicas, own = await asyncio.to_thread(made, kafka_server.bootstrap_servers, name)
        assert replicas == [[1]] * 5
        assert (own["retention.ms"], own["min.insync.replicas"]) == (str(2 * 24 * 3600 * 1000), "1")


@pytest.mark.parametrize(("replicas", "least"), [(1, "1"), (2, "1"), (3, "2"), (5, "4")])
def test_all_replicas_but_one_have_an_event_before_it_counts_as_sent(replicas: int, least: str) -> None:
    topic = new_topic("Set", KafkaSettings(replicas=replicas))
    assert topic.replication_factor == replicas
    assert topic.config is not None
    assert topic.config["min.insync.replicas"] == least
