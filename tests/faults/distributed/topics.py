"""What lies in Kafka, read past all of our code: every event of every outbox, in order for each key."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from confluent_kafka import Consumer, TopicPartition

from moocflix.entrypoints.services import SERVICES
from tests.faults.distributed.audit import compared
from tests.faults.distributed.databases import Databases
from tests.faults.distributed.world import World

TOPICS = [topic for service in SERVICES for topic in service.topics]
# Between these, versions follow one on the other without a gap: each change was told once.
FAMILIES = (
    ("User-Creation", "User-Update"),
    ("Course-Creation", "Course-Update", "Course-Deletion"),
    ("Module-Creation", "Module-Updated", "Module-Deleted"),
    ("Lesson-Creation", "Lesson-Updated", "Lesson-Deleted"),
)
_SECONDS = 30.0


@dataclass(frozen=True)
class Lying:
    """An event as it lies in a topic."""

    id: str
    key: str
    subject: str
    version: int
    partition: int


class _Versioned(msgspec.Struct):
    version: int


_VERSION = msgspec.json.Decoder(_Versioned)


async def differences(databases: Databases, worlds: Sequence[World], servers: str) -> tuple[list[str], Counter[str]]:
    """What is wrong with the events, and how many there are: `sent`, and `again` those that were sent twice."""
    found, figures = await _told(databases, worlds), Counter[str]()
    lying_in = await asyncio.to_thread(read_all, servers)
    for topic in TOPICS:
        sql = f"SELECT id FROM {topic.source}.outbox WHERE topic = '{topic.name}'"
        said = await databases.table(topic.source, sql)
        for address in (topic.name, *topic.aliases):
            lying = lying_in[address]
            found += compared(f"the topic {address}", said, {event.id: () for event in lying})
            found += _out_of_order(address, lying)
            figures["sent"] += len(lying)
            figures["again"] += len(lying) - len({event.id for event in lying})
    return found, figures


async def _told(databases: Databases, worlds: Sequence[World]) -> list[str]:
    """The outboxes: one event for each change."""
    versions: dict[str, dict[str, list[int]]] = {}
    for service in SERVICES:
        sql = f"SELECT topic, subject, (data ->> 'version')::integer FROM {service.name}.outbox ORDER BY 1, 2, 3"
        for topic, subject, version in await databases.rows(service.name, sql):
            versions.setdefault(topic, {}).setdefault(subject, []).append(version)
    found = []
    for family in FAMILIES:
        subjects = {subject for topic in family for subject in versions.get(topic, {})}
        told = {id: sorted(v for topic in family for v in versions.get(topic, {}).get(id, [])) for id in subjects}
        found += [f"{family[0]}: {id} told {v}" for id, v in told.items() if v != list(range(1, len(v) + 1))][:5]
    enrollments = [one for world in worlds for one in world.enrollments]
    expected: dict[str, dict[str, tuple[Any, ...]]] = {
        "Student-Enrolled": {one.id: (one.enrolled,) for one in enrollments},
        "Student-Unenrolled": {one.id: (one.dropped,) for one in enrollments if one.dropped},
        "Course-Completed": dict.fromkeys(versions.get("Course-Completed", {}), (1,)),
    }
    for topic, counts in expected.items():
        told_often = {id: (len(said),) for id, said in versions.get(topic, {}).items()}
        found += compared(f"events of {topic}", counts, told_often)
    return found


def _out_of_order(address: str, lying: Sequence[Lying]) -> list[str]:
    """An event that came first after a newer one of its entity, or in another partition than others of its key."""
    seen: set[str] = set()
    newest: dict[str, int] = {}
    partitions: dict[str, int] = {}
    found = []
    for event in lying:
        if partitions.setdefault(event.key, event.partition) != event.partition:
            found.append(f"{address}: the key {event.key} lies in two partitions")
        if event.id in seen:
            continue
        seen.add(event.id)
        if event.version <= newest.get(event.subject, 0):
            found.append(f"{address}: {event.subject} went from {newest[event.subject]} to {event.version}")
        newest[event.subject] = event.version
    return found[:5]


def read_all(servers: str) -> dict[str, list[Lying]]:
    """All that lies in our topics, each partition in its order."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "audit", "enable.auto.commit": False})
    try:
        found: dict[str, list[Lying]] = {name: [] for topic in TOPICS for name in (topic.name, *topic.aliases)}
        there = consumer.list_topics(timeout=_SECONDS).topics
        places = [TopicPartition(name, number, 0) for name in found for number in there[name].partitions]
        left = sum(consumer.get_watermark_offsets(place, timeout=_SECONDS)[1] for place in places)
        consumer.assign(places)
        while left:
            # No more than there are: it waits for as many as are asked for.
            records = consumer.consume(min(left, 1000), _SECONDS)
            assert records, f"nothing came for {_SECONDS:.0f} s, and {left} are left"
            left -= len(records)
            for record in records:
                found[str(record.topic())].append(_lying(record))
        return found
    finally:
        consumer.close()


def _lying(record: Any) -> Lying:
    assert record.error() is None, record.error()
    headers = dict(record.headers())
    return Lying(
        id=headers["ce_id"].decode(),
        key=record.key().decode(),
        subject=headers["ce_subject"].decode(),
        version=_VERSION.decode(record.value()).version,
        partition=record.partition(),
    )
