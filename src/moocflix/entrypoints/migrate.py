"""`migrate`: bring every service's schema up to this code; and the database for commands beside a running platform."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import moocflix.services
from moocflix.platform import data_folder
from moocflix.platform.database.urls import DatabaseUrls, has_own
from moocflix.platform.migrations import MigrationSource, migrate
from moocflix.platform.postgres_address import running_address
from moocflix.platform.postgres_options import PostgresOptions
from moocflix.platform.postgres_server import PostgresServer
from moocflix.platform.settings import DatabaseSettings, PlatformSettings, PostgresSettings, Settings


def sources() -> list[MigrationSource]:
    """Every service's migrations, found without importing the services: the supervisor starts soon and stays small."""
    folder = Path(next(iter(moocflix.services.__path__)))
    found = sorted(path.parent for path in folder.glob("*/service.py"))
    return [MigrationSource(path.name, path / "migrations") for path in found]


def run(
    settings: Settings,
    *,
    pre_only: bool = False,
    new_passwords: bool = False,
    report: Callable[[str], None] = lambda _line: None,
) -> list[str]:
    """Migrate, and return what ran. The embedded database is started for it if nobody runs it."""
    phase: Literal["pre", "all"] = "pre" if pre_only else "all"
    with running_database(settings) as urls:
        return asyncio.run(migrate(urls, sources(), phase=phase, report=report, new_passwords=new_passwords))


@contextmanager
def running_database(settings: Settings, *, alone: bool = False) -> Iterator[DatabaseUrls]:
    """The platform's database, running: as it is, or started here for as long as this lasts.

    `alone` takes no embedded one that another process has started. Raises PostgresError, and DataFolderError where the
    folder is a distributed platform's.
    """
    data = settings.of(PlatformSettings).data.expanduser().absolute()
    if settings.of(DatabaseSettings).url:
        yield DatabaseUrls.of(settings)
        return
    # While that runs, its settings have led elsewhere; what it leaves behind has no database for all.
    data_folder.refuse_stopped(data)
    apart = any(has_own(settings, source.name) for source in sources())
    if (not alone and running_address(data) is not None) or (apart and not data_folder.is_embedded(data)):
        yield DatabaseUrls.of(settings)
        return
    server = PostgresServer(data, options=PostgresOptions.of(settings.of(PostgresSettings)))
    server.start()
    try:
        yield DatabaseUrls.of(settings)
    finally:
        server.stop()
