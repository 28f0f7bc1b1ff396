"""The two small services of the platform's tests, and an outbox with as many rows as are wanted."""

import dataclasses
import os
from pathlib import Path

import asyncpg
import msgspec

from moocflix.platform.database.urls import DATABASE, DatabaseUrls
from moocflix.platform.events.brokers import groups_of, open_broker
from moocflix.platform.events.postgres import BUCKETS
from moocflix.platform.events.relay import Relay
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.local_servers.kafka import KafkaServer
from moocflix.platform.migrations import MigrationSource, migrate
from moocflix.platform.settings import load
from tests.databases import in_database
from tests.distributed.rabbit_server import RabbitServer
from tests.platform.post_office import BOOK_UPDATE, MIGRATIONS, SERVICES, PostOffice, archive

TOPIC = dataclasses.replace(BOOK_UPDATE, aliases=("book_updated",))
PART = 100_000

FILL = """
INSERT INTO {service}.outbox (id, topic, key, subject, correlation_id, data)
SELECT gen_random_uuid(), 'Book-Update', (number % 1000)::text, 's', gen_random_uuid()::text,
       jsonb_build_object('bookId', gen_random_uuid(), 'version', number, 'title', repeat('x', {size}))
  FROM generate_series(1, $1::int) AS number
"""

# As if a relay had sent all that is there.
SENT = """
INSERT INTO {service}.relays (bucket, holder, token, expires_at, old_snapshot)
SELECT number, gen_random_uuid(), 1, '-infinity', pg_current_snapshot() FROM generate_series(0, $1::int) AS number
    ON CONFLICT (bucket) DO UPDATE
   SET old_snapshot = excluded.old_snapshot, new_snapshot = NULL, last_seq = 0, expires_at = '-infinity'
"""


def environment(data: Path, bus: str, server: KafkaServer | RabbitServer | None) -> dict[str, str]:
    """As shipped, but for the bus."""
    environ = {"MOOCFLIX_DATA": str(data), "MOOCFLIX_EVENTS_BUS": bus}
    if isinstance(server, KafkaServer):
        environ["MOOCFLIX_KAFKA_SERVERS"] = server.bootstrap_servers
    elif server is not None:
        environ["MOOCFLIX_RABBITMQ_URL"] = server.url
    return environ


def open_office() -> PostOffice:
    """The services' database, as the environment says."""
    settings = load(environ=os.environ)
    return PostOffice(in_database(DatabaseUrls.of(settings), DATABASE), settings)


async def prepare(office: PostOffice, folder: Path) -> None:
    """Make the services' tables."""
    sources = []
    for name, sql in MIGRATIONS.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "0001_pre_tables.sql").write_text(sql)
        sources.append(MigrationSource(name, place))
    await migrate(office.urls, sources)


def relay_of(office: PostOffice, *sources: str, aliases: bool = True) -> Relay:
    """A relay of these services, as the command makes it."""
    broker = open_broker(office.settings)
    assert broker is not None
    outboxes = dict.fromkeys(SERVICES, office.outboxes())
    groups = groups_of([archive()])
    settings = msgspec.structs.replace(office.settings.of(EventsSettings), aliases=aliases)
    return Relay(sources, outboxes, broker, topics=[TOPIC], groups=groups, settings=settings)


async def fill(office: PostOffice, rows: int, *, service: str = "library", size: int = 320) -> None:
    """So many more rows, which nobody has sent."""
    connection = await asyncpg.connect(office.urls.admin)
    for start in range(0, rows, PART):
        await connection.execute(FILL.format(service=service, size=size), min(PART, rows - start))
    await connection.close()


async def hold(office: PostOffice, rows: int, *, service: str = "library") -> None:
    """Have the outbox hold so many rows, all of them sent, and the database as if they had come over months."""
    connection = await asyncpg.connect(office.urls.admin)
    held = await connection.fetchval(f"SELECT count(*) FROM {service}.outbox")  # noqa: S608
    if held > rows * 1.1:
        await office.empty()
        held = 0
    if held < rows:
        # Small rows: what counts is how many.
        await fill(office, rows - held, service=service, size=20)
        await connection.execute(f"VACUUM ANALYZE {service}.outbox")
    await connection.execute(SENT.format(service=service), BUCKETS - 1)
    await connection.execute("CHECKPOINT")
    await connection.close()
