"""The Kafka producer's acknowledgements, as far as they can be waited for without a Kafka."""

import asyncio
import socket
from uuid import uuid4

from moocflix.platform.clock import utc_now
from moocflix.platform.events.broker import Parcel
from moocflix.platform.events.envelope import Message
from moocflix.platform.events.kafka_sender import Sender


class Counted(Sender):
    """Counts how often it looks for acknowledgements."""

    looks = 0

    def _hear(self) -> int:
        self.looks += 1
        return super()._hear()


async def test_while_kafka_is_away_acknowledgements_are_looked_for_ever_more_rarely() -> None:
    with socket.socket() as taken:
        # Bound, and listening to nobody.
        taken.bind(("127.0.0.1", 0))
        quiet = {"log_level": 0, "error_cb": lambda _: None}
        sender = Counted({"bootstrap.servers": f"127.0.0.1:{taken.getsockname()[1]}", **quiet})
        message = Message(uuid4(), "Book-Update", "key", "key", "library", utc_now(), b"{}")
        sending = asyncio.create_task(sender.send([Parcel("Book-Update", message)]))
        await asyncio.sleep(2)
        looks = sender.looks
        await sender.close()
        await asyncio.gather(sending, return_exceptions=True)
    assert 0 < looks < 400
