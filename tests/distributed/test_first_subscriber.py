"""Who subscribes as soon as the distributed platform says that it is ready."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from confluent_kafka import Consumer, KafkaError

from moocflix.entrypoints.services import SERVICES
from tests.distributed.frozen import frozen
from tests.distributed.test_taken_ports import Starter, starter

__all__ = ["starter"]

TOPICS = {name for service in SERVICES for topic in service.topics for name in (topic.name, *topic.aliases)}


def found_at_once(servers: str) -> set[str]:
    """The topics that a client gets who looks again in five minutes only, as clients do by default."""
    consumer = Consumer({
        "bootstrap.servers": servers, "group.id": "first", "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
    })  # fmt: skip
    consumer.subscribe(sorted(TOPICS))
    found: set[str] = set()
    try:
        while found != TOPICS:
            record = consumer.poll(60)
            assert record is not None, f"{TOPICS - found} were not found"
            error = record.error()
            assert error is None or error.code() == KafkaError._PARTITION_EOF, error  # noqa: SLF001 - its name
            found.add(str(record.topic()))
    finally:
        consumer.close()
    return found


@contextmanager
def without(starter: Starter, *commands: str) -> Iterator[None]:
    """Freeze the processes of these commands as they begin, until the block ends."""
    with ExitStack() as asleep:
        left = set(commands)

        def all_asleep() -> bool:
            for command in left & starter.pids().keys():
                asleep.enter_context(frozen(starter.pids()[command]))
                left.remove(command)
            return not left

        starter.until(all_asleep)
        yield


def test_all_topics_are_there_though_the_relay_and_the_worker_have_not_come_to_them(starter: Starter) -> None:
    starter.start()
    with without(starter, "relay", "work"):
        starter.until_ready()
        servers = json.loads((starter.data / "distributed.json").read_text())["kafka"]["bootstrapServers"]
        assert found_at_once(servers) == TOPICS
