"""Migrations: numbered SQL for each service's schema, run once, in order, under one lock.

`NNNN_pre_name.sql` is safe for the code before it, `NNNN_post_name.sql` runs after the new code is out. The platform's
own files (`migrations_sql/`) run first in each schema. A line `-- oldest-code: 0.1.0` states the oldest code that
still works after it; code older than that refuses to start. A `post_` file must state it.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import asyncpg

from moocflix import __version__
from moocflix.platform.database import roles
from moocflix.platform.database.connect import Connection
from moocflix.platform.database.transaction import Reader
from moocflix.platform.database.urls import (
    BUS,
    OWNER,
    DatabaseUrls,
    credentials,
    database_name,
    origin_of_password,
    server_of,
)
from moocflix.platform.migration_files import PLATFORM, Migration, MigrationError, read_migrations

_LOCK = 0x6D6F6F63  # "mooc"
_WAIT_SECONDS = 60.0
_LOCK_TRIES = 10
# Neither its database nor its tables are there.
_NOT_MIGRATED = (asyncpg.InvalidCatalogNameError, asyncpg.UndefinedTableError)


class Source(Protocol):
    """What has migrations: a service."""

    @property
    def name(self) -> str:
        """The service's name, and its schema's."""

    @property
    def migrations(self) -> Path:
        """The folder of its files."""


@dataclass(frozen=True, slots=True)
class MigrationSource:
    """A name and a folder, where there is no service around them."""

    name: str
    migrations: Path


@dataclass(frozen=True, slots=True)
class _Run:
    code: str
    phase: Literal["all", "pre"]
    wait_seconds: float
    report: Callable[[str], None]
    new_passwords: bool


async def migrate(
    urls: DatabaseUrls,
    sources: Sequence[Source],
    *,
    code: str = __version__,
    phase: Literal["all", "pre"] = "all",
    wait_seconds: float = _WAIT_SECONDS,
    report: Callable[[str], None] = lambda _line: None,
    new_passwords: bool = False,
) -> list[str]:
    """Bring every service's schema up to this code and return what ran; safe to call from several processes at once.

    `phase="pre"` leaves out what only fits once the new code is out; `new_passwords` changes those that roles were
    given before. Raises MigrationError.
    """
    run = _Run(code=code, phase=phase, wait_seconds=wait_seconds, report=report, new_passwords=new_passwords)
    done: list[str] = []
    for admin, members in _by_database(urls, sources).items():
        try:
            await roles.ensure_database(admin, database_name(admin))
            done += await _migrate_database(urls, admin, members, run)
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            raise MigrationError(f"The database {database_name(admin)} refuses to let us in: {error}.") from error
        except OSError as error:
            raise MigrationError(f"The database {database_name(admin)} cannot be reached: {error}.") from error
    return done


async def check_code(service: Reader, schema: str, *, code: str = __version__) -> None:
    """Refuse to run code that is too old for the data; with the service's own login. Raises MigrationError."""
    try:
        applied = await _applied(service, schema)
    except _NOT_MIGRATED as error:
        raise MigrationError(f"There are no data of {schema} to work on ({error}): run `moocflix migrate`.") from error
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise MigrationError(
            f"The database of {schema} refuses the login ({error}): `moocflix migrate` has never run there, or the "
            f"password is not the one it has set. That {origin_of_password(schema)}."
        ) from error
    _check_code(schema, applied, (), code)


async def is_migrated(urls: DatabaseUrls, schema: str) -> bool:
    """Whether anything was ever migrated in this service's schema. Raises MigrationError."""
    # A process of this service alone has no administrator's.
    url = urls.admin_of(schema) if urls.admin else urls.service(schema)
    try:
        connection = await asyncpg.connect(url)
    except asyncpg.InvalidCatalogNameError:
        return False
    except (OSError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise MigrationError(f"The database {database_name(url)} cannot be reached: {error}.") from error
    try:
        return await connection.fetchval("SELECT to_regclass($1)", f"{schema}.schema_migrations") is not None
    finally:
        await connection.close()


def _by_database(urls: DatabaseUrls, sources: Iterable[Source]) -> dict[str, list[Source]]:
    """The services by the administrator's URL of the database in which they live."""
    groups: dict[str, list[Source]] = {}
    places: dict[tuple[str, ...], str] = {}
    for source in sources:
        url = urls.admin_of(source.name)
        groups.setdefault(places.setdefault((*server_of(url), database_name(url)), url), []).append(source)
    return groups


async def _migrate_database(urls: DatabaseUrls, admin: str, sources: Sequence[Source], run: _Run) -> list[str]:
    logins = {source.name: credentials(urls.service(source.name)) for source in sources}
    async with _locked(admin, run.wait_seconds) as connection:
        passwords = {role: urls.password(role) for role in (OWNER, BUS)} | dict(logins.values())
        services = {logins[name][0]: name for name in logins}
        await roles.ensure_roles(connection, passwords, services, change=run.new_passwords)
        await roles.ensure_database_rights(connection, owner=OWNER, bus=BUS)
        owner = await asyncpg.connect(urls.owner_at(admin))
        try:
            return [
                line for source in sources for line in await _migrate_schema(owner, source, logins[source.name][0], run)
            ]
        finally:
            await owner.close()


@asynccontextmanager
async def _locked(admin: str, wait_seconds: float) -> AsyncIterator[Connection]:
    """One connection that alone migrates this database; polled, since a wait in line would hold a snapshot."""
    connection = await asyncpg.connect(admin)
    try:
        waited = 0.0
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
            if waited >= wait_seconds:
                raise MigrationError(f"Another process has been migrating the database for {wait_seconds:.0f} s.")
            await asyncio.sleep(0.1)
            waited += 0.1
        yield connection
    finally:
        await connection.close()


async def _migrate_schema(owner: Connection, source: Source, role: str, run: _Run) -> list[str]:
    files = [*read_migrations(PLATFORM, prefix="platform/"), *read_migrations(source.migrations)]
    await _ensure_records(owner, source.name, role)
    applied = await _applied(owner, source.name)
    _check_code(source.name, applied, files, run.code)
    done = []
    for migration in files:
        if migration.name in applied:
            if applied[migration.name].checksum != migration.checksum:
                raise MigrationError(
                    f"Migration {source.name}: {migration.name} has been changed since it ran. Put it back as it was, "
                    "and write the change as a new one."
                )
        elif run.phase in {"all", migration.phase}:
            await _apply(owner, source.name, migration, run.code)
            run.report(f"{source.name}: {migration.name}")
            done.append(f"{source.name}: {migration.name}")
    await owner.execute(f'GRANT SELECT ON "{source.name}".outbox, "{source.name}".agenda TO "{BUS}"')
    await owner.execute(f'GRANT SELECT, INSERT, UPDATE ON "{source.name}".relays TO "{BUS}"')
    return done


async def _ensure_records(owner: Connection, schema: str, role: str) -> None:
    async with owner.transaction():
        await roles.ensure_schema(owner, schema, role=role, bus=BUS)
        await owner.execute(
            f'CREATE TABLE IF NOT EXISTS "{schema}".schema_migrations (name text PRIMARY KEY, checksum text NOT NULL, '
            "oldest_code text, applied_by text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        await owner.execute(f'REVOKE INSERT, UPDATE, DELETE ON "{schema}".schema_migrations FROM "{role}"')


@dataclass(frozen=True, slots=True)
class _Applied:
    checksum: str
    oldest_code: str | None
    applied_by: str


async def _applied(connection: Reader, schema: str) -> dict[str, _Applied]:
    rows = await connection.fetch(
        f'SELECT name, checksum, oldest_code, applied_by FROM "{schema}".schema_migrations'  # noqa: S608 - our own name
    )
    return {row["name"]: _Applied(row["checksum"], row["oldest_code"], row["applied_by"]) for row in rows}


def _check_code(schema: str, applied: dict[str, _Applied], files: Iterable[Migration], code: str) -> None:
    known = {migration.name for migration in files}
    for name, record in applied.items():
        if name not in known and record.oldest_code and _number(record.oldest_code) > _number(code):
            raise MigrationError(
                f"The data of {schema} were made by a newer MoocFlix ({record.applied_by}; {name}): at least "
                f"{record.oldest_code} is needed to use them, and this is {code}. Install the newer version."
            )


async def _apply(owner: Connection, schema: str, migration: Migration, code: str) -> None:
    """Run one migration in its own transaction; give way when others keep what it must lock."""
    for attempt in range(_LOCK_TRIES):
        try:
            async with owner.transaction():
                await owner.execute(f"SET LOCAL search_path = \"{schema}\"; SET LOCAL lock_timeout = '3s'")
                await owner.execute(migration.sql)
                await owner.execute(
                    f'INSERT INTO "{schema}".schema_migrations (name, checksum, oldest_code, applied_by) '  # noqa: S608
                    "VALUES ($1, $2, $3, $4)",
                    migration.name, migration.checksum, migration.oldest_code, code,
                )  # fmt: skip
        except asyncpg.LockNotAvailableError:
            if attempt == _LOCK_TRIES - 1:
                raise MigrationError(
                    f"Migration {schema}: {migration.name} found its tables in use {_LOCK_TRIES} times: try later."
                ) from None
            await asyncio.sleep(0.5)
        except asyncpg.PostgresError as error:
            raise MigrationError(f"Migration {schema}: {migration.name} failed: {error.args[0]}.") from error
        else:
            return


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What an operator wants to know of a database."""

    version: str
    waiting: int
    """Migrations that have not run yet."""
    connections: int
    max_connections: int


async def examine_database(urls: DatabaseUrls, sources: Sequence[Source], *, code: str = __version__) -> DatabaseState:
    """Look at the database with the services' own logins, changing nothing. Raises MigrationError."""
    waiting = 0
    for source in sources:
        files = [*read_migrations(PLATFORM, prefix="platform/"), *read_migrations(source.migrations)]
        try:
            connection = await asyncpg.connect(urls.service(source.name))
        except (asyncpg.InvalidCatalogNameError, asyncpg.InvalidAuthorizationSpecificationError):
            waiting += len(files)  # neither its database nor its role is there yet
            continue
        try:
            applied = await _applied(connection, source.name)
        except asyncpg.PostgresError:
            applied = {}
        finally:
            await connection.close()
        _check_code(source.name, applied, files, code)
        waiting += sum(migration.name not in applied for migration in files)
    first = sources[0].name
    return await _state(urls.admin_of(first) if waiting else urls.bus_of(first), waiting)


async def _state(url: str, waiting: int) -> DatabaseState:
    connection = await asyncpg.connect(url)
    try:
        row = await connection.fetchrow(
            "SELECT split_part(current_setting('server_version'), ' ', 1) AS version, "
            "current_setting('max_connections')::int AS most, (SELECT count(*) FROM pg_stat_activity) AS used"
        )
    finally:
        await connection.close()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    return DatabaseState(row["version"], waiting, row["used"], row["most"])
