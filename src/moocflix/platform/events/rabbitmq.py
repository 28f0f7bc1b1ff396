"""RabbitMQ: one topic exchange, and quorum queues for each group.

Each group has N queues; the hash of an event's key chooses among them. A queue has one active consumer at a time, so
that a key stays in order however many workers there are.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from zlib import crc32

import aio_pika
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractIncomingMessage,
    ExchangeType,
)
from aio_pika.exceptions import DeliveryError

from moocflix.platform.errors import Unavailable
from moocflix.platform.events.broker import Delivery, Parcel, Subscription, Waiting
from moocflix.platform.events.cloudevents import Unreadable, message_of, names_by_type, stand_in
from moocflix.platform.events.envelope import Message, Topic
from moocflix.platform.events.rabbitmq_client import (
    AWAY,
    DEAD,
    KEY,
    PREFIX,
    SENTENCE,
    declare,
    hang_up,
    losses,
    outgoing,
    queue_name,
)
from moocflix.platform.events.settings import RabbitSettings

_EXCHANGE = "moocflix.events"
_PREFETCH = 200
_HEARTBEAT = 10
_CONNECT_SECONDS = 5.0
_KEEP_DEAD = 100_000
# A node writes the name of a new quorum queue down only half a second after it was made. Killed before, it starts again
# with an empty queue of that name, and what it had confirmed is lost: so nothing is sent earlier.
_NOTED_SECONDS = 1.0
# A node that is starting may take a request and never answer it: then a new connection asks again.
_ANSWER_SECONDS = 10.0

_Sending = tuple[AbstractExchange, str, Message]


class RabbitMQ:
    """One process's connection to a virtual host."""

    def __init__(self, settings: RabbitSettings) -> None:
        """Nothing is connected before it is needed."""
        self._settings = settings
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._exchanges: dict[str, AbstractExchange] = {}
        # Made and bound again on each new channel: a server may come back empty, and confirms what it keeps for nobody.
        self._groups: dict[str, Sequence[Topic[Any]]] = {}
        self._unbound: list[tuple[str, Sequence[Topic[Any]]]] = []
        self._sends = False
        self._answers = 0
        self._turn = asyncio.Lock()

    async def prepare(self, topics: Sequence[Topic[Any]], groups: Mapping[str, Sequence[Topic[Any]]]) -> None:
        """Make the exchanges, and every group's queues, so that nothing is sent that nobody keeps.

        They are made again when the server was away.
        """
        self._groups.update(groups)
        self._unbound += groups.items()
        # An exchange takes any topic; whoever names some is going to send.
        self._sends |= bool(topics)
        async with self.needed():
            _ = await self._sending()

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        """Send, and wait for every confirmation."""
        async with self.needed() as limit:
            _ = await self._sending()
            events, dead = self._exchanges[_EXCHANGE], self._exchanges[DEAD]
            sending = [
                (dead, parcel.address, parcel.message)
                if parcel.address.endswith(".dead-letter")
                else (events, f"{parcel.address}.{self._number(parcel.message)}", parcel.message)
                for parcel in parcels
            ]
            await self._confirmed(limit, sending)

    async def resend(self, group: str, messages: Sequence[Message]) -> None:
        """Send straight into the group's queues."""
        async with self.needed() as limit:
            straight = (await self._sending()).default_exchange
            sending = [(straight, queue_name(group, self._number(message)), message) for message in messages]
            await self._confirmed(limit, sending)

    def subscribe(self, group: str, topics: Sequence[Topic[Any]]) -> Subscription:
        """One more consumer of each of the group's queues."""
        return _RabbitSubscription(self, self._settings.queues, group, topics)

    async def waiting(self, group: str, topics: Sequence[Topic[Any]]) -> Sequence[Waiting]:
        """How many messages wait in each of the group's queues. Raises Unavailable."""
        del topics  # Its queues take them all.
        async with self.needed():
            channel = await self._sending()
            queues = [await declare(channel, group, number) for number in range(self._settings.queues)]
            return [Waiting(group, queue.name, queue.declaration_result.message_count or 0) for queue in queues]

    async def channel(self) -> AbstractChannel:
        """A channel of its own for a consumer, whose queues are there, within `needed`."""
        _ = await self._sending()
        async with self._turn:
            return await (await self._connected()).channel(publisher_confirms=False)

    async def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            await hang_up(connection)

    async def _sending(self) -> AbstractChannel:
        async with self._turn:
            if self._channel is None or self._channel.is_closed:
                channel = await (await self._connected()).channel(publisher_confirms=True)
                self._exchanges = {
                    name: await channel.declare_exchange(name, ExchangeType.TOPIC, durable=True)
                    for name in (_EXCHANGE, DEAD)
                }
                arguments: dict[str, Any] = {"x-queue-type": "quorum", "x-max-length": _KEEP_DEAD}
                dead = await channel.declare_queue(DEAD, durable=True, arguments=arguments)
                await dead.bind(DEAD, "#")
                self._channel, self._unbound = channel, list(self._groups.items())
            if self._unbound:
                await self._bind(self._channel)
            return self._channel

    async def _bind(self, channel: AbstractChannel) -> None:
        unbound = self._unbound[:]
        for group, topics in unbound:
            for number in range(self._settings.queues):
                queue = await declare(channel, group, number)
                for topic in topics:
                    await queue.bind(_EXCHANGE, f"{topic.name}.{number}")
        if self._sends:
            await asyncio.sleep(_NOTED_SECONDS)
        del self._unbound[: len(unbound)]

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
            async with asyncio.timeout(_ANSWER_SECONDS) as limit, losses():
                yield limit
        except AWAY as error:
            if not isinstance(error, DeliveryError):
                await self.close()
            raise Unavailable(SENTENCE) from error

    async def _confirmed(self, limit: asyncio.Timeout, sending: Sequence[_Sending]) -> None:
        """Send in order; return once all are confirmed, whatever becomes of the others.

        All who send wait for one another: what is limited is the wait for the next confirmation, whosever it is.
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
            await exchange.publish(outgoing(message), address, mandatory=False)
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
        self._cancelled = False
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
        with suppress(*AWAY):
            async with losses():
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
            await hang_up(channel)

    async def _consuming(self) -> None:
        if self._channel is not None and not self._channel.is_closed:
            if self._cancelled:
                raise ConnectionError(SENTENCE)
            return
        arrived: asyncio.Queue[tuple[int, AbstractIncomingMessage]] = asyncio.Queue()
        self._arrived = arrived
        self._channel = channel = await self._broker.channel()
        self._cancelled = False
        (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(self._cancel)
        await channel.set_qos(prefetch_count=_PREFETCH)
        for number in range(self._queues):
            queue = await declare(channel, self._group, number)
            await queue.consume(_putting(arrived, number))

    def _cancel(self, _: object) -> None:
        """A queue was deleted: at the next need all is made anew."""
        self._cancelled = True

    def _message(self, incoming: AbstractIncomingMessage) -> Message:
        headers = {str(name): str(value) for name, value in (incoming.headers or {}).items()}
        key = headers.get(KEY, "").replace("\0", "")
        attributes = {name.removeprefix(PREFIX): value for name, value in headers.items()}
        try:
            return message_of(attributes, key=key, data=incoming.body, names=self._names)
        except Unreadable:
            place = f"{incoming.message_id or crc32(incoming.body)}/{incoming.routing_key}"
            topic = (incoming.routing_key or "").rpartition(".")[0]
            topic = topic if topic in self._sources else next(iter(self._sources))
            return stand_in(place, topic=topic, source=self._sources[topic], key=key, data=incoming.body)


def _putting(arrived: "asyncio.Queue[tuple[int, AbstractIncomingMessage]]", number: int) -> Any:
    async def put(incoming: AbstractIncomingMessage) -> None:
        arrived.put_nowait((number, incoming))

    return put
