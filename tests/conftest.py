"""What every test may ask for: a PostgreSQL of its own, and the real platform in process on it."""

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from moocflix.platform import clock
from moocflix.platform.database.urls import DATABASE, DatabaseUrls
from moocflix.platform.postgres_options import PostgresOptions
from moocflix.platform.postgres_server import PostgresServer
from moocflix.platform.settings import Settings, load
from tests.databases import in_database

if TYPE_CHECKING:
    from tests.factories.platform import TestPlatform
    from tests.factories.videos import VideoShelf

LIMITS = {"MOOCFLIX_HTTP_API_LIMIT": "1000000", "MOOCFLIX_HTTP_AUTH_LIMIT": "1000000"}
# Nearly every test makes people: with passwords hashed as shipped, that alone is a sixth of the whole run's time.
# Tests of the hashes ask for `hashes_as_shipped`; real processes always hash as shipped.
_WEAK_HASHES = {"MOOCFLIX_USERS_PASSWORD_MEMORY_KIB": "8", "MOOCFLIX_USERS_PASSWORD_PASSES": "1"}


def pytest_configure() -> None:
    """Have what tests start hear Ctrl-C: a shell that starts this process in the background has it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what needs more than a bare machine has, unless it is asked for: `make test-all` does."""
    asked = any("distributed" in argument for argument in config.args)
    return True if collection_path.name == "distributed" and not asked else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have one process run all that shares an installation, from the start on.

    Such tests wait more than they work, while the other processes work.
    """
    sharing = [item for item in items if {"up", "installation"} & set(getattr(item, "fixturenames", ()))]
    for item in sharing:
        item.add_marker(pytest.mark.xdist_group("installation"))
    items[:] = [*sharing, *(item for item in items if item not in sharing)]


@pytest.fixture(scope="session")
def data_folder() -> Iterator[Path]:
    """A data folder of this test process, on a path short enough for a socket and open to the server's account."""
    folder = Path(tempfile.mkdtemp(prefix="moocflix-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(data_folder: Path) -> Iterator[PostgresServer]:
    """A running server whose data need not outlive it."""
    server = PostgresServer(data_folder, options=PostgresOptions(durable=False))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> "VideoShelf":
    """A shelf of real videos."""
    from tests.factories.videos import VideoShelf

    return VideoShelf(tmp_path_factory.mktemp("videos"))


@pytest.fixture(scope="session")
def settings(postgres: PostgresServer, data_folder: Path) -> Settings:
    """Settings as shipped, but for limits that no test meets by chance, and hashes that cost nothing."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MOOCFLIX_")}
    ours = {**LIMITS, **_WEAK_HASHES, "MOOCFLIX_DATA": str(data_folder), "MOOCFLIX_CONFIG": os.devnull}
    return load(environ={**environ, **ours})


@pytest.fixture(scope="session")
async def urls(settings: Settings) -> DatabaseUrls:
    """A migrated database with all services."""
    from moocflix.entrypoints.services import SERVICES
    from moocflix.platform.migrations import migrate

    urls = in_database(DatabaseUrls.of(settings), DATABASE)
    await migrate(urls, SERVICES)
    return urls


@pytest.fixture(scope="session")
async def running_platform(settings: Settings, urls: DatabaseUrls) -> AsyncIterator["TestPlatform"]:
    """One platform for all tests of this process; use `platform`."""
    from tests.factories.platform import TestPlatform

    platform = TestPlatform(settings, urls)
    await platform.start()
    yield platform
    await platform.stop()


@pytest.fixture
async def platform(running_platform: "TestPlatform") -> AsyncIterator["TestPlatform"]:
    """The platform, empty."""
    await running_platform.empty()
    yield running_platform
    clock.reset()
