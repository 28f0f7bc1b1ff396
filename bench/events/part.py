"""The worker or the relay of `times`, as a process of its own: `python -m bench.events.part worker|relay`."""

import asyncio
import os
import signal
import sys
from time import perf_counter

import uvloop

from bench.events.office import open_office, relay_of
from moocflix.platform import logs
from moocflix.platform.database.transaction import Tx
from moocflix.platform.events.brokers import open_broker
from moocflix.platform.events.envelope import Message
from moocflix.platform.service import Reaction
from moocflix.platform.worker import Worker
from tests.platform.post_office import BOOK_UPDATE, SERVICES, BookState, archive


async def arrive(_tx: Tx, book: BookState, _message: Message) -> None:
    """Say when, and nothing else."""
    os.write(1, b"%s %.6f\n" % (str(book.book_id).encode(), perf_counter()))


async def main(role: str) -> None:
    """Work until told to stop."""
    office = open_office()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if role == "relay":
        await relay_of(office, "library", "stranger", aliases=True).run(stop)
        return
    service = archive(reactions=(Reaction(topic=BOOK_UPDATE, run=arrive),))
    context = office.context("archive")
    outboxes = dict.fromkeys(SERVICES, office.outboxes())
    await Worker([service], {"archive": context}, outboxes, broker=open_broker(office.settings)).run(stop)


if __name__ == "__main__":
    logs.configure()
    uvloop.run(main(sys.argv[1]))
