"""What events cost on each bus: the relay's rate beside its library's own, and the time from commit to reaction.

`python bench/events.py [kafka] [rabbitmq] [postgres] [--events 20000] [--waiting 0]`; servers are its own.
"""

import argparse
import asyncio
import dataclasses
import tempfile
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

from moocflix.platform.clock import utc_now
from moocflix.platform.database.transaction import Tx
from moocflix.platform.database.urls import DATABASE, DatabaseUrls
from moocflix.platform.events.broker import Parcel
from moocflix.platform.events.brokers import groups_of, open_broker
from moocflix.platform.events.envelope import Message
from moocflix.platform.events.relay import Relay
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.local_servers.kafka import KafkaServer
from moocflix.platform.local_servers.rabbitmq import RabbitServer
from moocflix.platform.migrations import MigrationSource, migrate
from moocflix.platform.postgres_server import PostgresServer
from moocflix.platform.service import Reaction
from moocflix.platform.settings import Settings, load
from moocflix.platform.worker import Worker
from tests.platform.post_office import BOOK_UPDATE, MIGRATIONS, SERVICES, BookState, PostOffice, archive

TOPIC = dataclasses.replace(BOOK_UPDATE, aliases=("book_updated",))
SAMPLES = 300

FILL = """
INSERT INTO outbox (id, topic, key, subject, data)
SELECT gen_random_uuid(), 'Book-Update', (number % 1000)::text, 's',
       jsonb_build_object('bookId', gen_random_uuid(), 'version', number, 'title', repeat('x', 320))
  FROM generate_series(1, $1::int) AS number
"""


async def migrated(settings: Settings, folder: Path) -> DatabaseUrls:
    """A database with the two small services."""
    urls = DatabaseUrls.of(settings).in_database(DATABASE)
    sources = []
    for name, sql in MIGRATIONS.items():
        place = folder / "sql" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "0001_pre_tables.sql").write_text(sql)
        sources.append(MigrationSource(name, place))
    await migrate(urls, sources)
    return urls


def relay_of(office: PostOffice, settings: Settings) -> Relay:
    broker = open_broker(settings)
    assert broker is not None
    buses = dict.fromkeys(SERVICES, office.bus(poll_seconds=0.2))
    groups = groups_of([archive()])
    events = settings.of(EventsSettings)
    return Relay(["library"], buses, broker, topics=[TOPIC], groups=groups, settings=events)


async def bare_rate(settings: Settings, number: int) -> float:
    """The adapter's library with nothing around it, in the relay's batches."""
    broker = open_broker(settings)
    assert broker is not None
    await broker.prepare([TOPIC], groups_of([archive()]))
    data = b'{"title":"' + b"x" * 390 + b'"}'
    messages = [
        Message(uuid4(), "Book-Update", str(key % 1000), "s", "library", utc_now(), data) for key in range(number)
    ]
    size = settings.of(EventsSettings).relay_batch * 4
    began = perf_counter()
    for start in range(0, number, size):
        await broker.publish([Parcel("Book-Update", message) for message in messages[start : start + size]])
    seconds = perf_counter() - began
    await broker.close()
    return number / seconds


async def relay_rate(office: PostOffice, settings: Settings, number: int, waiting: int) -> float:
    """Logical events a second, until `number` of `number + waiting` have been sent."""
    await office.empty()
    async with office.database("library", size=1).transaction() as tx:
        await tx.execute(FILL, number + waiting)
    relay = relay_of(office, settings)
    sent = 0
    done = asyncio.Event()
    broker: Any = relay._broker
    publish = broker.publish

    async def counted(parcels: Any) -> None:
        nonlocal sent
        await publish(parcels)
        sent += sum(parcel.address == "Book-Update" for parcel in parcels)
        if sent >= number:
            done.set()

    await broker.prepare([TOPIC], groups_of([archive()]))
    broker.publish = counted
    began = perf_counter()
    task = asyncio.create_task(relay.run(done))
    await done.wait()
    seconds = perf_counter() - began
    await task
    return sent / seconds


async def reaction_times(office: PostOffice, settings: Settings, pause: float) -> list[float]:
    """Milliseconds from a commit to the start of its reaction."""
    await office.empty()
    arrived: dict[UUID, asyncio.Future[float]] = {}

    async def arrive(_tx: Tx, book: BookState, _message: Message) -> None:
        if book.book_id in arrived and not arrived[book.book_id].done():
            arrived[book.book_id].set_result(perf_counter())

    service = archive(reactions=(Reaction(topic=BOOK_UPDATE, run=arrive),))
    context = office.context("archive", settings=settings)
    buses = dict.fromkeys(SERVICES, office.bus(poll_seconds=0.2))
    stop = asyncio.Event()
    parts: list[Any] = [Worker([service], {"archive": context}, buses, broker=open_broker(settings))]
    if settings.of(EventsSettings).bus != "postgres":
        parts.append(relay_of(office, settings))
    tasks = [asyncio.create_task(part.run(stop)) for part in parts]
    await asyncio.sleep(5)
    database = office.database("library", size=4)
    times = []
    for version in range(SAMPLES):
        book = uuid4()
        arrived[book] = asyncio.get_running_loop().create_future()
        async with database.transaction() as tx:
            tx.publish(BOOK_UPDATE, BookState(book_id=book, version=version, title=""))
        committed = perf_counter()
        times.append((await asyncio.wait_for(arrived[book], 30) - committed) * 1000)
        await asyncio.sleep(pause)
    stop.set()
    await asyncio.gather(*tasks)
    return times


def settings_of(data: Path, bus: str, server: KafkaServer | RabbitServer | None, *, aliases: bool) -> Settings:
    environ = {"MOOCFLIX_DATA": str(data), "MOOCFLIX_EVENTS_BUS": bus, "MOOCFLIX_EVENTS_ALIASES": str(aliases).lower()}
    if isinstance(server, KafkaServer):
        environ["MOOCFLIX_KAFKA_SERVERS"] = server.bootstrap_servers
    elif server is not None:
        environ["MOOCFLIX_RABBITMQ_URL"] = server.url
    return load(environ=environ)


async def measure(data: Path, bus: str, server: KafkaServer | RabbitServer | None, arguments: Any) -> None:
    settings = settings_of(data, bus, server, aliases=False)
    office = PostOffice(await migrated(settings, data), settings)
    # First, while the group has nothing else to do.
    times = await reaction_times(office, settings, 0.01)
    print(f"{bus}: commit to reaction at rest p50 {median(times):.1f} ms, p99 {quantiles(times, n=100)[98]:.1f} ms")
    if server is not None:
        await bare_rate(settings, 2000)
        bare = await bare_rate(settings, arguments.events)
        plain = await relay_rate(office, settings, arguments.events, 0)
        both = settings_of(data, bus, server, aliases=True)
        aliased = await relay_rate(office, both, arguments.events, 0)
        print(f"{bus}: bare {bare:.0f}/s, relay {plain:.0f}/s ({plain / bare:.2f}), with aliases {aliased:.0f}/s")
        if arguments.waiting:
            rate = await relay_rate(office, settings, arguments.events, arguments.waiting)
            print(f"{bus}: relay with {arguments.waiting} more waiting {rate:.0f}/s")
    await office.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("buses", nargs="*", default=["postgres", "kafka", "rabbitmq"])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--waiting", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="moocflix-bench-") as folder:
        data = Path(folder)
        data.chmod(0o755)
        postgres = PostgresServer(data / "postgres")
        postgres.start()
        servers: dict[str, KafkaServer | RabbitServer | None] = {
            "postgres": None, "kafka": KafkaServer(data / "kafka"), "rabbitmq": RabbitServer(data / "rabbitmq")
        }  # fmt: skip
        for bus in arguments.buses:
            server = servers[bus]
            if server is not None:
                server.start()
            try:
                asyncio.run(measure(data / "postgres", bus, server, arguments))
            finally:
                if server is not None:
                    server.stop()
        postgres.stop()


if __name__ == "__main__":
    main()
