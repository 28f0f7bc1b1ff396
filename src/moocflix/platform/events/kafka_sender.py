"""Sending to Kafka: an idempotent producer whose acknowledgements are waited for in batches."""

import asyncio
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from moocflix.platform.events.cloudevents import JSON, attributes_of
from moocflix.platform.events.envelope import Message

PREFIX = "ce_"
"""Before the names of CloudEvents attributes, in binary mode."""

_POLL_SECONDS = 0.1


class Sender:
    """An idempotent producer, and the thread in which its acknowledgements come."""

    def __init__(self, client: dict[str, Any]) -> None:
        self.broken = False
        # No time limit: a message that was given up would be overtaken by the next of its key. The relay's batches
        # bound what waits here.
        self._producer = Producer(
            {**client, "enable.idempotence": True, "acks": "all", "message.timeout.ms": 0, "linger.ms": 2}
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka acknowledgements", daemon=True)
        self._thread.start()

    async def send(self, addressed: Sequence[tuple[str, Message]]) -> None:
        """Raises KafkaException."""
        if not addressed:
            return
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        batch = _Batch(len(addressed), partial(loop.call_soon_threadsafe, _finish, done))
        for address, message in addressed:
            try:
                self._producer.produce(
                    address, message.data, message.key, headers=_headers(message), on_delivery=batch.acknowledged
                )
            except BufferError:
                batch.acknowledged(KafkaError(KafkaError._QUEUE_FULL), None)  # noqa: SLF001 - its name for this error
        error = await self._outcome(done, batch)
        if error is not None:
            self.broken = error.fatal()
            raise KafkaException(error)

    async def _outcome(self, done: "asyncio.Future[None]", batch: "_Batch") -> KafkaError | None:
        await done
        return batch.error

    def close(self) -> None:
        """Give up what is not acknowledged, and end the thread."""
        self._producer.purge()
        self._ended.set()
        self._thread.join(5)
        self._producer.flush(1)

    def _poll(self) -> None:
        while not self._ended.is_set():
            self._producer.poll(_POLL_SECONDS)


class _Batch:
    """Counts acknowledgements; they come in one thread, one after the other."""

    def __init__(self, left: int, finished: Any) -> None:
        self.error: KafkaError | None = None
        self._left = left
        self._finished = finished
        self._turn = threading.Lock()

    def acknowledged(self, error: KafkaError | None, _message: object) -> None:
        """One of them is, or has failed."""
        with self._turn:
            self.error = self.error or error
            self._left -= 1
            last = self._left == 0
        if last:
            self._finished()


def _headers(message: Message) -> list[tuple[str, str | bytes | None]]:
    found: list[tuple[str, str | bytes | None]] = [
        (PREFIX + name, value) for name, value in attributes_of(message).items()
    ]
    found.append(("content-type", JSON))
    return found


def _finish(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)
