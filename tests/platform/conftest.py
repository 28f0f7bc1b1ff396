"""A database with two small services, for the tests of events, jobs and intents."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.events.bus import Bus
from moocflix.platform.migrations import MigrationSource, migrate
from moocflix.platform.settings import Settings
from tests.platform.post_office import MIGRATIONS, PostOffice, settings_with


@pytest.fixture(scope="session")
async def office_urls(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> DatabaseUrls:
    # The roles belong to the whole server: their passwords must be the same in all its databases.
    urls = DatabaseUrls.of(settings).in_database(f"office_{uuid4().hex}")
    sources = [MigrationSource(name, _folder(tmp_path_factory, name, sql)) for name, sql in MIGRATIONS.items()]
    await migrate(urls, sources)
    return urls


@pytest.fixture
async def office(office_urls: DatabaseUrls) -> AsyncIterator[PostOffice]:
    office = PostOffice(office_urls, settings_with(events_backoff_seconds="0.01"))
    await office.empty()
    yield office
    await office.close()


@pytest.fixture
async def bus(office: PostOffice) -> AsyncIterator[Bus]:
    bus = office.bus()
    yield bus
    await bus.close()


def _folder(factory: pytest.TempPathFactory, name: str, sql: str) -> Path:
    folder = factory.mktemp(name)
    (folder / "0001_pre_tables.sql").write_text(sql)
    return folder
