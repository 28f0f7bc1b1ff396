"""RabbitMQ: one topic exchange, and quorum queues for each group.

Each group has N queues; the hash of an event's key chooses among them. A queue has one active consumer at a time, so
that a key stays in order however many workers there are.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from zlib import crc32

import aio_pika
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractIncomingMessage,
    AbstractQueue,
    ExchangeType,
)
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError, DeliveryError

from moocflix.platform.errors import Unavailable
from moocflix.platform.events.broker import Delivery, Parcel, Subscription, Waiting
from moocflix.platform.events.cloudevents import JSON, Unreadable, attributes_of, message_of, names_by_type, stand_in
from moocflix.platform.events.envelope import Message, Topic
from moocflix.platform.events.settings import RabbitSettings

_EXCHANGE = "moocflix.events"
_DEAD = "moocflix.dead-letter"
# As the AMQP binding of CloudEvents names application properties; the key is its partitioning extension.
_PREFIX, _KEY = "cloudEvents:", "cloudEvents:partitionkey"
_PREFETCH = 200
_HEARTBEAT = 10
_CONNECT_SECONDS = 5.0
_KEEP_DEAD = 100_000
# Beyond any outage: a message that comes back was not refused, it waits for something else.
_RETURNS = 1_000_000
_SENTENCE = "RabbitMQ is away."
_CLOSE_SECONDS = 3.0
# A node writes the name of a new quorum queue down only half a second after it was made. Killed before, it starts again
# with an empty queue of that name, and what it had confirmed is lost: so nothing is sent earlier.
_NOTED_SECONDS = 1.0
# A node that is starting may take a request and never answer it: then a new connection asks again.
_ANSWER_SECONDS = 10.0
_AWAY = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError, asyncio.InvalidStateError)

_Sending = tuple[AbstractExchange, str, Message]


class RabbitMQ:
    """One process's connection to a virtual host."""

    def __init__(self, settings: RabbitSettings) -> None:
        """Nothing is connected before it is needed."""
        self._settings = settings
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._exchanges: dict[str, AbstractExchange] = {}
        self._answers = 0
        self._turn = asyncio.Lock()

    async def prepare(self, topics: Sequence[Topic[Any]], groups: Mapping[str, Sequence[Topic[Any]]]) -> None:
        """Make the exchanges, and every group's queues, so that nothing is sent that nobody keeps."""
        async with self.needed():
            channel = await self._sending()
            for group, followed in groups.items():
                for number in range(self._settings.queues):
                    queue = await _declare(channel, group, number)
                    for topic in followed:
                        await queue.bind(_EXCHANGE, f"{topic.name}.{number}")
        if topics:  # An exchange takes any of them; whoever names some is going to send.
            await asyncio.sleep(_NOTED_SECONDS)

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        """Send, and wait for every confirmation."""
        async with self.needed() as limit:
            _ = await self._sending()
            events, dead = self._exchanges[_EXCHANGE], self._exchanges[_DEAD]
            await self._confirmed(
                limit,
                (
                    (dead, parcel.address, parcel.message)
                    if parcel.address.endswith(".dead-letter")
                    else (events, f"{parcel.address}.{self._number(parcel.message)}", parcel.message)
                    for parcel in parcels
                ),
            )

    async def resend(self, group: str, messages: Sequence[Message]) -> None:
        """Send straight into the group's queues."""
        async with self.needed() as limit:
            straight = (await self._sending()).default_exchange
            await self._confirmed(
                limit, ((straight, _queue_name(group, self._number(message)), message) for message in messages)
            )

    def subscribe(self, group: str, topics: Sequence[Topic[Any]]) -> Subscription:
        """One more consumer of each of the group's queues."""
        return _RabbitSubscription(self, self._settings.queues, group, topics)

    async def waiting(self, group: str, topics: Sequence[Topic[Any]]) -> Sequence[Waiting]:
        """How many messages wait in each of the group's queues. Raises Unavailable."""
        del topics  # Its queues take them all.
        async with self.needed():
            channel = await self._sending()
            queues = [await _declare(channel, group, number) for number in range(self._settings.queues)]
            return [Waiting(group, queue.name, queue.declaration_result.message_count or 0) for queue in queues]

    async def channel(self) -> AbstractChannel:
        """A channel of its own for a consumer, within `needed`."""
        async with self._turn:
            return await (await self._connected()).channel(publisher_confirms=False)

    async def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            await _hang_up(connection)

    async def _sending(self) -> AbstractChannel:
        async with self._turn:
            if self._channel is None or self._channel.is_closed:
                channel = await (await self._connected()).channel(publisher_confirms=True)
                self._exchanges = {
                    name: await channel.declare_exchange(name, ExchangeType.TOPIC, durable=True)
                    for name in (_EXCHANGE, _DEAD)
                }
                arguments: dict[str, Any] = {"x-queue-type": "quorum", "x-max-length": _KEEP_DEAD}
                dead = await channel.declare_queue(_DEAD, durable=True, arguments=arguments)
                await dead.bind(_DEAD, "#")
                self._channel = channel
            return self._channel

    async def _connected(self) -> AbstractConnection:
        if self._connection is None or self._connection.is_closed:
            self._connection = await aio_pika.connect(
                str(self._settings.url), timeout=_CONNECT_SECONDS, heartbeat=_HEARTBEAT
            )
        return self._connection

    @asynccontextmanager
    async def needed(self) -> AsyncIterator[asyncio.Timeout]:
        """What goes wrong within is Unavailable; at the next need all begins on a new connection."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS) as limit, _losses():
                yield limit
        except _AWAY as error:
            if not isinstance(error, DeliveryError):
                await self.close()
            raise Unavailable(_SENTENCE) from error

    async def _confirmed(self, limit: asyncio.Timeout, sending: Iterable[_Sending]) -> None:
        """Send in order; return once all are confirmed, whatever becomes of the others.

        All who send wait for one another: what may not take longer than the limit is the wait for the next
        confirmation, whosever it is.
        """
        limit.reschedule(None)
        outcomes = asyncio.gather(*(self._send(*one) for one in sending), return_exceptions=True)
        try:
            while not outcomes.done():
                before = self._answers
                await asyncio.wait([outcomes], timeout=_ANSWER_SECONDS)
                if self._answers == before:
                    raise TimeoutError
        finally:
            outcomes.cancel()
        for outcome in outcomes.result():
            if isinstance(outcome, BaseException):
                raise outcome

    async def _send(self, exchange: AbstractExchange, address: str, message: Message) -> None:
        try:
            await exchange.publish(_outgoing(message), address, mandatory=False)
        finally:
            self._answers += 1

    def _number(self, message: Message) -> int:
        return crc32(message.key.encode()) % self._settings.queues


class _RabbitSubscription:
    """A consumer of all queues of a group, on a channel of its own."""

    def __init__(self, broker: RabbitMQ, queues: int, group: str, topics: Sequence[Topic[Any]]) -> None:
        self._broker = broker
        self._queues = queues
        self._group = group
        self._names = names_by_type(topics)
        self._sources = {topic.name: topic.source for topic in topics}
        self._channel: AbstractChannel | None = None
        self._arrived: asyncio.Queue[tuple[int, AbstractIncomingMessage]] = asyncio.Queue()

    async def receive(self, seconds: float) -> Sequence[Delivery]:
        """What has come. Raises Unavailable."""
        try:
            async with self._broker.needed():
                await self._consuming()
        except Unavailable:
            await self.close()
            raise
        try:
            async with asyncio.timeout(seconds):
                came = [await self._arrived.get()]
        except TimeoutError:
            return []
        while not self._arrived.empty():
            came.append(self._arrived.get_nowait())
        by_queue: dict[tuple[int, str], list[tuple[AbstractIncomingMessage, Message]]] = {}
        for number, incoming in came:
            message = self._message(incoming)
            # A topic has one source: to take sources apart reorders no topic's events.
            by_queue.setdefault((number, message.source), []).append((incoming, message))
        return [
            Delivery([message for _, message in found], [incoming for incoming, _ in found])
            for found in by_queue.values()
        ]

    async def done(self, delivery: Delivery) -> None:
        """Acknowledge; what is lost of it comes again, and the inbox knows it."""
        with suppress(*_AWAY):
            async with _losses():
                for incoming in delivery.receipt:
                    await incoming.ack()

    async def again(self, deliveries: Sequence[Delivery]) -> None:
        """Close the channel: everything not acknowledged goes back to its place in its queue."""
        del deliveries
        await self.close()

    async def close(self) -> None:
        """Let another be the active consumer."""
        channel, self._channel = self._channel, None
        self._arrived = asyncio.Queue()
        if channel is not None:
            await _hang_up(channel)

    async def _consuming(self) -> None:
        if self._channel is not None and not self._channel.is_closed:
            return
        arrived: asyncio.Queue[tuple[int, AbstractIncomingMessage]] = asyncio.Queue()
        self._arrived = arrived
        self._channel = channel = await self._broker.channel()
        await channel.set_qos(prefetch_count=_PREFETCH)
        for number in range(self._queues):
            queue = await _declare(channel, self._group, number)
            await queue.consume(_putting(arrived, number))

    def _message(self, incoming: AbstractIncomingMessage) -> Message:
        headers = {str(name): str(value) for name, value in (incoming.headers or {}).items()}
        key = headers.get(_KEY, "").replace("\0", "")
        attributes = {name.removeprefix(_PREFIX): value for name, value in headers.items()}
        try:
            return message_of(attributes, key=key, data=incoming.body, names=self._names)
        except Unreadable:
            place = f"{incoming.message_id or crc32(incoming.body)}/{incoming.routing_key}"
            topic = (incoming.routing_key or "").rpartition(".")[0]
            topic = topic if topic in self._sources else next(iter(self._sources))
            return stand_in(place, topic=topic, source=self._sources[topic], key=key, data=incoming.body)


@asynccontextmanager
async def _losses() -> AsyncIterator[None]:
    """On a connection that was lost the library cancels what waits, and refuses what is new with a RuntimeError."""
    try:
        yield
    except RuntimeError as error:
        raise ConnectionError(_SENTENCE) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise ConnectionError(_SENTENCE) from error


async def _hang_up(opened: AbstractConnection | AbstractChannel) -> None:
    """Close what may be dead already."""
    with suppress(*_AWAY):
        async with asyncio.timeout(_CLOSE_SECONDS), _losses():
            await opened.close()


def _putting(arrived: "asyncio.Queue[tuple[int, AbstractIncomingMessage]]", number: int) -> Any:
    async def put(incoming: AbstractIncomingMessage) -> None:
        arrived.put_nowait((number, incoming))

    return put


async def _declare(channel: AbstractChannel, group: str, number: int) -> AbstractQueue:
    return await channel.declare_queue(
        _queue_name(group, number),
        durable=True,
        arguments={
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-dead-letter-exchange": _DEAD,
            "x-delivery-limit": _RETURNS,
        },
    )


def _outgoing(message: Message) -> aio_pika.Message:
    attributes = attributes_of(message)
    headers: dict[str, Any] = {_PREFIX + name: value for name, value in attributes.items()}
    headers[_KEY] = message.key
    return aio_pika.Message(
        message.data,
        headers=headers,
        content_type=JSON,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=attributes["id"],
        type=attributes["type"],
        timestamp=message.time,
        correlation_id=message.correlation_id,
    )


def _queue_name(group: str, number: int) -> str:
    return f"moocflix.{group}.{number}"
