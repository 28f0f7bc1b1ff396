"""RabbitMQ's client: what a lost connection raises, and what queues and messages look like there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from moocflix.platform.events.cloudevents import JSON, attributes_of
from moocflix.platform.events.envelope import Message

DEAD = "moocflix.dead-letter"
# As the AMQP binding of CloudEvents names application properties; the key is its partitioning extension.
PREFIX, KEY = "cloudEvents:", "cloudEvents:partitionkey"
# Beyond any outage: a message that comes back was not refused, it waits for something else.
_RETURNS = 1_000_000
SENTENCE = "RabbitMQ is away."
_CLOSE_SECONDS = 3.0
AWAY = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError, asyncio.InvalidStateError)


@asynccontextmanager
async def losses() -> AsyncIterator[None]:
    """On a connection that was lost the library cancels what waits, and refuses what is new with a RuntimeError."""
    try:
        yield
    except RuntimeError as error:
        raise ConnectionError(SENTENCE) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise ConnectionError(SENTENCE) from error


async def hang_up(opened: AbstractConnection | AbstractChannel) -> None:
    """Close what may be dead already."""
    with suppress(*AWAY):
        async with asyncio.timeout(_CLOSE_SECONDS), losses():
            await opened.close()


async def declare(channel: AbstractChannel, group: str, number: int) -> AbstractQueue:
    """One of a group's queues, made where it is not there."""
    return await channel.declare_queue(
        queue_name(group, number),
        durable=True,
        arguments={
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-dead-letter-exchange": DEAD,
            "x-delivery-limit": _RETURNS,
        },
    )


def outgoing(message: Message) -> aio_pika.Message:
    """A message as it is sent: a CloudEvent in binary mode."""
    attributes = attributes_of(message)
    headers: dict[str, Any] = {PREFIX + name: value for name, value in attributes.items()}
    headers[KEY] = message.key
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


def queue_name(group: str, number: int) -> str:
    """What one of a group's queues is called."""
    return f"moocflix.{group}.{number}"
