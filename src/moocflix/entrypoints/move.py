"""`move`: an embedded installation, stopped, into a distributed one: secrets, rows, files, and no event lost."""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click

from moocflix.entrypoints import environment_file
from moocflix.entrypoints.distributed.filling import filling
from moocflix.entrypoints.migrate import running_database, sources
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.errors import Conflict, NotFound, OperatorError
from moocflix.platform.moving import Route, move_tables
from moocflix.platform.process import FileLock, LockTaken
from moocflix.platform.secrets import SecretMissing, Secrets, read_or_make
from moocflix.platform.settings import DatabaseSettings, PlatformSettings, Settings, SettingsError, load
from moocflix.platform.storage.port import ObjectMissing, Storage
from moocflix.platform.storage.stores import open_storage

# Each installation has its own of these; the others are what stored data are sealed and signed with.
_OWN_SECRETS = {"postgres-password", "database", "s3", "valkey"}


class StillRunning(Conflict):
    """Somebody may write while the data move."""

    def __init__(self, data: Path) -> None:
        super().__init__(f"The platform of {data} is running. Stop it first, and keep the other one stopped too.")


class NothingHere(NotFound):
    """There is no installation to move."""

    def __init__(self, data: Path) -> None:
        super().__init__(f"There is no installation in {data}. MOOCFLIX_DATA must name the folder of the one to move.")


class SecretsDiffer(Conflict):
    """The target has a secret of its own, with which the data that move could not be read."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The target's secret {name!r} is not the same. Give it this installation's, or remove it.")


class StoreUnusable(OperatorError):
    """Files could not be read here, or written there."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"Nothing is moved: {fault}.")


def settings_of(file: Path) -> Settings:
    """The target's settings: a file with a line `MOOCFLIX_…=value` for each. Raises SettingsError."""
    return load(environ={"MOOCFLIX_CONFIG": os.devnull, **environment_file.read(file)})


def routes(services: Sequence[str], here: DatabaseUrls, there: DatabaseUrls) -> list[Route]:
    """Each service's way, as the owner of its tables on both sides."""
    return [Route(name, here.owner_at(here.admin_of(name)), there.owner_at(there.admin_of(name))) for name in services]


def carry_secrets(here: Secrets, there: Secrets) -> None:
    """Give the target the secrets that it has not. Raises SecretsDiffer where it has others."""
    for path in sorted(here.folder.iterdir()):
        if path.name.startswith(".") or path.name in _OWN_SECRETS or not path.is_file():
            continue
        secret = path.read_bytes()
        try:
            held = Secrets(there.folder, make=False, given=there.given).text(path.name)
        except SecretMissing:
            held = read_or_make(there.folder / path.name, make=path.read_bytes)
        if held.strip() != secret.strip():
            raise SecretsDiffer(path.name)


async def ask(*stores: Storage) -> None:
    """Raises StoreUnusable where a store is not there or lets nobody in."""
    for store in stores:
        fault = await store.fault()
        if fault is not None:
            raise StoreUnusable(fault)


async def move_files(here: Storage, there: Storage) -> int:
    """Copy every file that is not there yet; how many were copied."""
    copied = 0
    async for listed in here.list_all():
        if not await _is_there(there, listed.key, listed.size):
            stored = await here.head(listed.key)
            await there.put(stored.key, here.read(stored), content_type=stored.content_type)
            copied += 1
    return copied


async def _is_there(storage: Storage, key: str, size: int) -> bool:
    try:
        return (await storage.head(key)).size == size
    except ObjectMissing:
        return False


def run(settings: Settings, target: Settings, *, replace: bool, report: Callable[[str], None]) -> None:
    """Move everything. Begun again after a fault it goes on with the files, and with `replace` begins the rows anew.

    Neither installation runs meanwhile.
    """
    if target.of(DatabaseSettings).url in ("", settings.of(DatabaseSettings).url):
        raise SettingsError("TARGET must say with MOOCFLIX_DATABASE_URL where its own database is.")
    names = [source.name for source in sources()]
    with running_database(settings, alone=True) as here:
        carry_secrets(Secrets.of(settings), Secrets.of(target))
        # Rows take hours where there are many: what would stop the files is found out before.
        stores = open_storage(settings), open_storage(target)
        asyncio.run(ask(*stores))
        rows = asyncio.run(move_tables(routes(names, here, DatabaseUrls.of(target)), replace=replace))
        for service, count in rows.items():
            report(f"{service}: {count} rows")
        count = asyncio.run(move_files(*stores))
    report(f"{count} files have been copied.")


@contextmanager
def _stopped(data: Path) -> Iterator[None]:
    """Nobody starts the platform of this folder meanwhile. Raises StillRunning."""
    try:
        lock = FileLock(data / "run" / "up.lock")
    except FileNotFoundError:
        # It is on other machines.
        yield
        return
    except LockTaken:
        raise StillRunning(data) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _target(place: Path, here: Path) -> Iterator[Settings]:
    """The target's settings, as long as nobody starts it on this machine. Raises OperatorError."""
    if place.is_dir():
        with filling(place, say=click.echo) as settings:
            yield settings
        return
    settings = settings_of(place)
    there = _data_of(settings)
    # Without a folder of its own it has ours, which is kept already.
    with nullcontext() if there == here else _stopped(there):
        yield settings


def _data_of(settings: Settings) -> Path:
    return settings.of(PlatformSettings).data.expanduser().absolute()


@click.command()
@click.argument("target", type=click.Path(exists=True, path_type=Path))
@click.option("--replace", is_flag=True, help="Lose what the databases elsewhere hold.")
@click.pass_obj
def move(settings: Settings, target: Path, *, replace: bool) -> None:
    """Move this embedded installation, stopped, into a distributed one.

    TARGET is an empty folder, where `moocflix distributed` is then to run. Or, for one elsewhere, a file with its
    settings, a line MOOCFLIX_…=value for each; its databases are migrated already.
    """
    here = _data_of(settings)
    if not (here / "run").is_dir():
        raise NothingHere(here)
    if target.resolve() == here.resolve():
        raise SettingsError("TARGET must be another folder than that of the installation to move, MOOCFLIX_DATA.")
    with _stopped(here), _target(target, here) as there:
        # In a folder there can be nothing but what a move that was cut off has left.
        run(settings, there, replace=replace or target.is_dir(), report=click.echo)
    click.echo("Start the other installation; this one is as it was.")
