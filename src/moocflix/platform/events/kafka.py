"""Kafka: a topic for each of ours, CloudEvents in binary mode, one consumer group for each service."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic, sleep
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from moocflix.platform.errors import Unavailable
from moocflix.platform.events.broker import Delivery, Parcel, Subscription, Waiting, dead_letter_address
from moocflix.platform.events.cloudevents import Unreadable, message_of, names_by_type, stand_in
from moocflix.platform.events.envelope import Message, Topic
from moocflix.platform.events.kafka_client import KafkaClient, lines
from moocflix.platform.events.kafka_sender import PREFIX, Sender
from moocflix.platform.events.settings import KafkaSettings

_ADMIN_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_RECEIVE = 200
_DAY_MS = 86_400_000
# A broker that has just started, or takes over from another, has still to read where the groups are.
_NOT_YET = (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR)


class Kafka:
    """One process's connection to a cluster."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Nothing is connected before it is needed. Raises SettingsError."""
        self._settings = settings
        self._client = KafkaClient(settings)
        self._sender: Sender | None = None

    async def prepare(self, topics: Sequence[Topic[Any]], groups: Mapping[str, Sequence[Topic[Any]]]) -> None:
        """Make the topics that are not there; clients find them from now on. Raises Unavailable."""
        wanted = {name for topic in topics for name in (topic.name, *topic.aliases)}
        for group, followed in groups.items():
            wanted.add(_replay(group))
            for topic in followed:
                wanted |= {topic.name, dead_letter_address(topic.name)}
        await asyncio.to_thread(self._make, sorted(wanted))

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        """Send, and wait for every acknowledgement: for as long as it takes, since giving up would break the order."""
        sender = self._sender = self._sender or Sender(self._client.config)
        try:
            await sender.send(parcels)
        except KafkaException as error:
            # Another bucket may have dropped it already.
            if sender.broken and sender is self._sender:
                await self._drop_sender()
            raise Unavailable(f"Kafka refuses an event: {error}") from error

    async def resend(self, group: str, messages: Sequence[Message]) -> None:
        """Send to the group's own topic."""
        await self.publish([Parcel(_replay(group), message) for message in messages])

    def subscribe(self, group: str, topics: Sequence[Topic[Any]]) -> Subscription:
        """One more member of the group."""
        return _KafkaSubscription(self._client, group, topics)

    async def waiting(self, group: str, topics: Sequence[Topic[Any]]) -> Sequence[Waiting]:
        """How many records of each topic the group has not committed. Raises Unavailable."""
        addresses = [*(topic.name for topic in topics), _replay(group)]
        return await asyncio.to_thread(self._count, group, addresses)

    async def close(self) -> None:
        """What was not acknowledged by now stays in the outbox."""
        await self._drop_sender()

    async def _drop_sender(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.close()

    def _make(self, names: Sequence[str]) -> None:
        admin = None
        try:
            admin = AdminClient(self._client.config)
            made = [new_topic(name, self._settings) for name in _missing(admin, names)]
            for future in admin.create_topics(made).values() if made else ():
                _ignore_existing(future)
            deadline = monotonic() + _ADMIN_SECONDS
            # The controller has made them, and the broker that clients ask hears of them a moment later.
            while made and _missing(admin, names):
                if monotonic() > deadline:
                    raise Unavailable("Kafka has made topics and does not know them.")
                sleep(_LOOK_SECONDS)
        except KafkaException as error:
            raise self._client.away(error, admin) from error

    def _count(self, group: str, addresses: Sequence[str]) -> list[Waiting]:
        consumer = Consumer({**self._client.config, "group.id": _group_id(group)})
        try:
            known = consumer.list_topics(timeout=_ADMIN_SECONDS).topics
            parts = [TopicPartition(name, n) for name in addresses if name in known for n in known[name].partitions]
            counts = dict.fromkeys(addresses, 0)
            for part in _committed(consumer, parts) if parts else ():
                low, high = consumer.get_watermark_offsets(part, timeout=_ADMIN_SECONDS)
                counts[part.topic] += high - max(low, part.offset)
            return [Waiting(group, name, count) for name, count in counts.items()]
        except KafkaException as error:
            raise self._client.away(error, consumer) from error
        finally:
            consumer.close()


def _committed(consumer: Consumer, parts: list[TopicPartition]) -> list[TopicPartition]:
    deadline = monotonic() + _ADMIN_SECONDS
    while True:
        try:
            return consumer.committed(parts, timeout=_ADMIN_SECONDS)
        except KafkaException as error:
            if error.args[0].code() not in _NOT_YET or monotonic() > deadline:
                raise
        sleep(_LOOK_SECONDS)


class _KafkaSubscription:
    """A member of a consumer group. Its blocking calls run in one thread of its own."""

    def __init__(self, client: KafkaClient, group: str, topics: Sequence[Topic[Any]]) -> None:
        self._client = client
        self._group = group
        self._addresses = [*(topic.name for topic in topics), _replay(group)]
        self._names = names_by_type(topics)
        self._sources = {topic.name: topic.source for topic in topics}
        self._consumer: Consumer | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"kafka {group}")

    async def receive(self, seconds: float) -> Sequence[Delivery]:
        """What has come. While the cluster is away nothing comes."""
        deliveries: list[Delivery] = await self._run(self._receive, seconds)
        return deliveries

    async def done(self, delivery: Delivery) -> None:
        """Commit the offset behind it. Not waited for: what is lost of it comes again, and the inbox knows it."""
        place: TopicPartition = delivery.receipt
        after = TopicPartition(place.topic, place.partition, place.offset + len(delivery.messages))
        await self._run(self._commit, after)

    async def again(self, deliveries: Sequence[Delivery]) -> None:
        """Go back to where they began."""
        await self._run(self._seek, [delivery.receipt for delivery in deliveries])

    async def close(self) -> None:
        """Leave the group at once, so that its partitions are taken over."""
        if self._consumer is not None:
            await self._run(self._consumer.close)
            self._consumer = None
        self._thread.shutdown(wait=False)

    async def _run(self, work: Any, *args: Any) -> Any:
        running = asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *args))
        # What the thread has begun it ends: nothing that it returns may get lost.
        return await asyncio.shield(running)

    def _receive(self, seconds: float) -> list[Delivery]:
        try:
            consumer = self._connected()
            # `consume` alone would wait for as many as were asked for.
            first = consumer.poll(seconds)
            records = [] if first is None else [first, *consumer.consume(_RECEIVE - 1, 0)]
        except KafkaException as error:
            raise self._client.away(error) from error
        by_place: dict[tuple[Any, Any], list[Any]] = {}
        for record in records:
            if record.error() is None:
                by_place.setdefault((record.topic(), record.partition()), []).append(record)
        return [delivery for found in by_place.values() for delivery in self._deliveries(found)]

    def _deliveries(self, records: Sequence[Any]) -> list[Delivery]:
        """One for each stretch of a partition that has one source and no gaps."""
        stretches: list[tuple[TopicPartition, list[Message]]] = []
        for record in records:
            message = self._message(record)
            last = stretches[-1] if stretches else None
            follows = last is not None and last[0].offset + len(last[1]) == record.offset()
            if last is not None and follows and last[1][0].source == message.source:
                last[1].append(message)
            else:
                place = TopicPartition(record.topic(), record.partition(), record.offset())
                stretches.append((place, [message]))
        return [Delivery(messages, place) for place, messages in stretches]

    def _message(self, record: Any) -> Message:
        key = (record.key() or b"").decode(errors="replace").replace("\0", "")
        data = record.value() or b""
        try:
            headers = {
                name.removeprefix(PREFIX): value.decode()
                for name, value in record.headers() or ()
                if name.startswith(PREFIX) and value is not None
            }
            return message_of(headers, key=key, data=data, names=self._names)
        except (Unreadable, UnicodeDecodeError):
            place = f"{record.topic()}/{record.partition()}/{record.offset()}"
            topic = record.topic() if record.topic() in self._sources else next(iter(self._sources))
            return stand_in(place, topic=topic, source=self._sources[topic], key=key, data=data)

    def _connected(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(
                {
                    **self._client.config,
                    "group.id": _group_id(self._group),
                    "enable.auto.commit": False,
                    "auto.offset.reset": "earliest",
                    "partition.assignment.strategy": "cooperative-sticky",
                    "session.timeout.ms": 10_000,
                    "fetch.wait.max.ms": 100,
                    "topic.metadata.refresh.interval.ms": 30_000,
                }
            )
            self._consumer.subscribe(self._addresses)
        return self._consumer

    def _commit(self, place: TopicPartition) -> None:
        try:
            self._connected().commit(offsets=[place], asynchronous=True)
        except KafkaException as error:
            lines.info("offset not committed: %s", error)

    def _seek(self, places: Sequence[TopicPartition]) -> None:
        earliest: dict[tuple[str, int], TopicPartition] = {}
        for place in places:
            at = (place.topic, place.partition)
            if at not in earliest or place.offset < earliest[at].offset:
                earliest[at] = place
        for place in earliest.values():
            try:
                self._connected().seek(place)
            except KafkaException as error:
                # No longer ours: whoever has the partition begins at its committed offset.
                lines.info("no seek: %s", error)


def new_topic(name: str, settings: KafkaSettings) -> NewTopic:
    """A topic as the settings want those that are made."""
    config = {
        "retention.ms": str(settings.retention_days * _DAY_MS),
        # One replica may be gone and events are taken; with the others gone too, what is acknowledged would be lost.
        "min.insync.replicas": str(max(1, settings.replicas - 1)),
    }
    return NewTopic(name, settings.partitions, settings.replicas, config=config)


def _missing(admin: AdminClient, names: Sequence[str]) -> list[str]:
    return sorted(set(names) - set(admin.list_topics(timeout=_ADMIN_SECONDS).topics))


def _ignore_existing(future: Any) -> None:
    try:
        future.result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


def _group_id(group: str) -> str:
    return f"moocflix.{group}"


def _replay(group: str) -> str:
    return f"{group}.replay"
