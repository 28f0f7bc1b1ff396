"""Sending to Kafka: an idempotent producer whose acknowledgements are waited for in batches."""

import asyncio
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from moocflix.platform.events.broker import Parcel
from moocflix.platform.events.cloudevents import JSON, NAMES, attributes_of
from moocflix.platform.events.envelope import Message
from moocflix.platform.waiting import wait_at_most

PREFIX = "ce_"
"""Before the names of CloudEvents attributes, in binary mode."""

_NAMES = [PREFIX + name for name in NAMES]

# How often acknowledgements are looked for while some are missing: ever more rarely, so that none is seen later by more
# than a tenth of its time; and otherwise what the library has to say.
_POLL_SECONDS = 0.001
_GROWTH = 1.1
_LONGEST_POLL_SECONDS = 0.05
_IDLE_SECONDS = 1.0


class Sender:
    """An idempotent producer, and the task in which its acknowledgements come.

    A thread for them would take the interpreter away from the event loop, and back, for every single message.
    """

    def __init__(self, client: dict[str, Any]) -> None:
        """Within a running event loop."""
        self.broken = False
        # No time limit: a message that was given up would be overtaken by the next of its key. The relay's batches
        # bound what waits here. One request at a time: the broker takes any number of a producer that is new to a
        # partition, so that a second request gets in where the first was refused (the topic is just being made, or
        # has no leader), and librdkafka then counts the first as delivered. It lost events so.
        self._producer = Producer(
            {
                **client, "enable.idempotence": True, "acks": "all", "max.in.flight.requests.per.connection": 1,
                "message.timeout.ms": 0, "linger.ms": 2,
            }
        )  # fmt: skip
        self._sent = asyncio.Event()
        self._polling = asyncio.create_task(self._poll())

    async def send(self, parcels: Sequence[Parcel]) -> None:
        """Raises KafkaException."""
        if not parcels:
            return
        batch = _Batch(len(parcels))
        message: Message | None = None
        headers: dict[str, str | bytes | None] = {}
        for parcel in parcels:
            # Aliases are the same message once more.
            if parcel.message is not message:
                message, headers = parcel.message, _headers(parcel.message)
            try:
                self._producer.produce(
                    parcel.address, message.data, message.key, headers=headers, on_delivery=batch.acknowledged
                )
            except BufferError:
                batch.acknowledged(KafkaError(KafkaError._QUEUE_FULL), None)  # noqa: SLF001 - its name for this error
            except KafkaException as error:
                self._note(error.args[0])
                raise
        self._sent.set()
        await batch.done.wait()
        if batch.error is not None:
            self._note(batch.error)
            raise KafkaException(batch.error)

    async def close(self) -> None:
        """Give up what is not acknowledged."""
        self._polling.cancel()
        await asyncio.gather(self._polling, return_exceptions=True)
        await asyncio.to_thread(self._producer.purge)
        # Whoever still waits is told: by the second call, where the first has only a fatal error to tell of.
        self._hear()
        self._hear()

    def _note(self, error: KafkaError) -> None:
        """After a fatal error the producer sends nothing more, whatever other error a message comes back with."""
        if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001 - its name for this error
            self.broken = True

    def _hear(self) -> int:
        """Have the acknowledgements that have come counted; how many calls that were."""
        try:
            heard: int = self._producer.poll(0)
        except KafkaException:
            # A fatal error. What was under way might wait for ever: it comes back as an error, too.
            self.broken = True
            self._producer.purge(blocking=False)
            return 0
        return heard

    async def _poll(self) -> None:
        pause = _POLL_SECONDS
        while True:
            pause = _POLL_SECONDS if self._hear() else min(pause * _GROWTH, _LONGEST_POLL_SECONDS)
            if len(self._producer):
                await asyncio.sleep(pause)
                continue
            pause = _POLL_SECONDS
            self._sent.clear()
            await wait_at_most(_IDLE_SECONDS, self._sent)


class _Batch:
    """Counts acknowledgements."""

    def __init__(self, left: int) -> None:
        self.error: KafkaError | None = None
        self.done = asyncio.Event()
        self._left = left

    def acknowledged(self, error: KafkaError | None, _message: object) -> None:
        """One of them is, or has failed."""
        self.error = self.error or error
        self._left -= 1
        if self._left == 0:
            self.done.set()


def _headers(message: Message) -> dict[str, str | bytes | None]:
    return {**attributes_of(message, names=_NAMES), "content-type": JSON}
