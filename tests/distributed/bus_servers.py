"""The servers behind the buses, each started once, and the office of a test on one of them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.migrations import MigrationSource, migrate
from moocflix.platform.settings import Settings
from tests.databases import in_database
from tests.distributed.bus_office import BusOffice, Carrier
from tests.distributed.kafka_login import KafkaWithLogin
from tests.distributed.rabbit_server import RabbitServer
from tests.platform.post_office import MIGRATIONS, PostOffice

QUICK = {
    "events_attempts": "3",
    "events_backoff_seconds": "0.01",
    "events_poll_seconds": "0.2",
    "events_lease_seconds": "2",
}


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaWithLogin]:
    server = KafkaWithLogin(tmp_path_factory.mktemp("kafka"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def rabbit_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    server = RabbitServer(tmp_path_factory.mktemp("rabbitmq"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
async def bus_urls(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> DatabaseUrls:
    urls = in_database(DatabaseUrls.of(settings), f"bus_{uuid4().hex}")
    sources = []
    for name, sql in MIGRATIONS.items():
        folder: Path = tmp_path_factory.mktemp(name)
        (folder / "0001_pre_tables.sql").write_text(sql)
        sources.append(MigrationSource(name, folder))
    await migrate(urls, sources)
    return urls


@pytest.fixture(scope="session", params=["postgres", "kafka", "rabbitmq"])
def carrier(request: pytest.FixtureRequest) -> Carrier:
    """One bus after the other; a test that is about brokers names those."""
    if request.param == "kafka":
        kafka: KafkaWithLogin = request.getfixturevalue("kafka_server")
        return Carrier({**QUICK, "events_bus": "kafka", "kafka_servers": kafka.bootstrap_servers}, kafka)
    if request.param == "rabbitmq":
        rabbit: RabbitServer = request.getfixturevalue("rabbit_server")
        return Carrier({**QUICK, "events_bus": "rabbitmq", "rabbitmq_url": rabbit.url}, rabbit)
    return Carrier(QUICK, None)


@pytest.fixture
async def bus(bus_urls: DatabaseUrls, carrier: Carrier) -> AsyncIterator[BusOffice]:
    office = PostOffice(bus_urls, carrier.settings)
    await office.empty()
    bus = BusOffice(office, carrier)
    yield bus
    await bus.close()
    await office.close()
