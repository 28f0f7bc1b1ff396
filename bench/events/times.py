"""How long it takes from a commit to the start of its reaction; relay and worker are processes of their own."""

import argparse
import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from statistics import median, quantiles
from time import perf_counter, process_time
from typing import Any
from uuid import UUID, uuid4

from bench.events.office import fill, hold
from bench.processes import cpu_seconds
from moocflix.platform.database.transaction import Database
from moocflix.platform.events.settings import EventsSettings
from tests.platform.post_office import BOOK_UPDATE, BookState, PostOffice

PAUSE = 0.05
WRITERS = 16
PATIENCE = 120
# What a bus is slowest at takes still longer than this rate (events a second) would.
SLOWEST = 500


async def measure(office: PostOffice, servers: dict[str, Any], options: argparse.Namespace) -> None:
    """At rest, then under load, with each number of rows that lie in the outbox."""
    bus = office.settings.of(EventsSettings).bus
    for rows in options.rows:
        await hold(office, rows)
        for name, rate in (("at rest", 1 / PAUSE), ("under load", options.load)):
            if rows and bus != "postgres":
                # The same relay has these to send meanwhile.
                await fill(office, rows, service="stranger")
            times, reached, cost = await times_of(office, servers, rate, options.seconds, PATIENCE + rows / SLOWEST)
            print(
                f"{bus}: {rows} rows, {name} ({reached:.0f} events/s): p50 {median(times):.1f} ms, "
                f"p99 {quantiles(times, n=100)[98]:.1f} ms, longest {max(times):.1f} ms, of {len(times)}\n"
                "  CPU us each: " + "  ".join(f"{name} {each / len(times) * 1e6:.0f}" for name, each in cost.items()),
                flush=True,
            )


async def times_of(
    office: PostOffice, servers: dict[str, Any], rate: float, seconds: float, patience: float
) -> tuple[list[float], float, dict[str, float]]:
    """Milliseconds of each event, how many a second were committed, and CPU seconds by process."""
    database = office.database("library", size=WRITERS)
    arrived: dict[UUID, float] = {}
    pids = {name: server.pid for name, server in servers.items() if server is not None}
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(part("worker"))
        pids["worker"] = worker.pid
        if office.settings.of(EventsSettings).bus != "postgres":
            pids["relay"] = (await stack.enter_async_context(part("relay"))).pid
        hearing = asyncio.create_task(hear(worker, arrived))
        stack.callback(hearing.cancel)
        await warm(database, arrived, patience)
        before = spent_by(pids)
        times, reached = await published(database, rate, seconds, arrived, patience)
        return times, reached, {name: spent - before[name] for name, spent in spent_by(pids).items()}


def spent_by(pids: dict[str, int]) -> dict[str, float]:
    """CPU seconds; the publisher is this process."""
    return {"publisher": process_time(), **{name: cpu_seconds(pid) for name, pid in pids.items()}}


@asynccontextmanager
async def part(role: str) -> AsyncIterator[Process]:
    """A process for as long as a block."""
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.events.part", role, stdout=PIPE)
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            child.terminate()
        await child.wait()


async def hear(worker: Process, arrived: dict[UUID, float]) -> None:
    """The clock is the same in all processes of the machine."""
    assert worker.stdout is not None
    while line := await worker.stdout.readline():
        book, at = line.split()
        arrived.setdefault(UUID(book.decode()), float(at))


async def warm(database: Database, arrived: dict[UUID, float], patience: float) -> None:
    """Wait until reactions run."""
    async with asyncio.timeout(patience):
        while not arrived:
            await commit(database)
            await asyncio.sleep(0.5)
    await asyncio.sleep(3)


async def published(
    database: Database, rate: float, seconds: float, arrived: dict[UUID, float], patience: float
) -> tuple[list[float], float]:
    """Commit at this rate, then wait for every reaction."""
    committed: dict[UUID, float] = {}
    turns = iter(range(int(rate * seconds)))
    began = perf_counter()

    async def write() -> None:
        for turn in turns:
            await asyncio.sleep(began + turn / rate - perf_counter())
            book, at = await commit(database)
            committed[book] = at

    await asyncio.gather(*(write() for _ in range(WRITERS)))
    took = perf_counter() - began
    async with asyncio.timeout(patience):
        while not committed.keys() <= arrived.keys():  # noqa: ASYNC110 - it is heard of line by line
            await asyncio.sleep(0.1)
    return [(arrived[book] - at) * 1000 for book, at in committed.items()], len(committed) / took


async def commit(database: Database) -> tuple[UUID, float]:
    """One event in one transaction, and when it was committed."""
    book = uuid4()
    async with database.transaction() as tx:
        tx.publish(BOOK_UPDATE, BookState(book_id=book, version=1, title=""))
    return book, perf_counter()
