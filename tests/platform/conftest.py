"""A database with two small services, for the tests of events, jobs and intents; and one whose routes try the edge."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from moocflix.entrypoints.runtime import Runtime
from moocflix.platform.auth.keys import PublishedKey
from moocflix.platform.auth.tokens import AccessTokenSigner
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.events.outboxes import Outboxes
from moocflix.platform.ids import new_id
from moocflix.platform.migrations import MigrationSource, migrate
from moocflix.platform.settings import Settings, load
from tests.databases import in_database
from tests.platform.post_office import MIGRATIONS, PostOffice, settings_with
from tests.platform.probe import Probe, service


@pytest.fixture(scope="session")
async def office_urls(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> DatabaseUrls:
    # The roles belong to the whole server: their passwords must be the same in all its databases.
    urls = in_database(DatabaseUrls.of(settings), f"office_{uuid4().hex}")
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
async def outboxes(office: PostOffice) -> AsyncIterator[Outboxes]:
    outboxes = office.outboxes()
    yield outboxes
    await outboxes.close()


@pytest.fixture(scope="module")
async def probe_urls(settings: Settings) -> DatabaseUrls:
    urls = in_database(DatabaseUrls.of(settings), "probe")
    await migrate(urls, [service])
    return urls


@pytest.fixture(scope="module")
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
async def start(settings: Settings, probe_urls: DatabaseUrls, key: Ed25519PrivateKey) -> AsyncIterator[Any]:
    """Start a probe with settings of its own."""
    public = PublishedKey.of(key.public_key())
    signer = AccessTokenSigner(public.kid, key, timedelta(minutes=15))
    started: list[Probe] = []

    def sign(user_id: UUID, role: Any, *, session_id: UUID | None = None) -> str:
        now = datetime.now(UTC)
        return signer.sign(user_id=user_id, session_id=session_id or new_id(), role=role, generation=1, now=now)

    async def begin(**environ: str) -> Probe:
        own = load(environ={**settings._environ, **environ})  # noqa: SLF001 - the same settings, but for these
        runtime = Runtime(own, [service], probe_urls)
        await runtime.start(broadcasts=False)
        runtime.watch.verifier.use_keys([public])
        http = httpx.AsyncClient(transport=httpx.ASGITransport(runtime.public), base_url="http://probe")
        async with runtime.contexts["probe"].database.transaction() as tx:
            await tx.execute("DELETE FROM things")
            await tx.execute("DELETE FROM copies_of_cats")
            await tx.execute("DELETE FROM idempotency_keys")
        started.append(Probe(runtime, http, sign))
        return started[-1]

    yield begin
    for probe in started:
        await probe.http.aclose()
        await probe.runtime.stop()


@pytest.fixture
async def probe(start: Callable[..., Awaitable[Probe]]) -> Probe:
    return await start()


def _folder(factory: pytest.TempPathFactory, name: str, sql: str) -> Path:
    folder = factory.mktemp(name)
    (folder / "0001_pre_tables.sql").write_text(sql)
    return folder
