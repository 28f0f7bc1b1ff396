"""Moving a service's tables from one database into another: the rows, the sequences, and where readers of events stand.

The schemas are there already, made by the same migrations. Each service moves in one transaction of its own on either
side.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from moocflix.platform.database.connect import STATEMENT_FAILED, Connection, connect_for_command
from moocflix.platform.errors import Conflict, OperatorError
from moocflix.platform.events.outboxes import schema_of
from moocflix.platform.events.restoring import reset_positions

# What belongs to an installation and not to its data: its migrations, who works at the moment, what a broker has.
_STAYS = ("schema_migrations", "leases", "relays")
_CHUNKS_AHEAD = 16

_TABLES = """
SELECT cls.oid, cls.relname AS name
  FROM pg_class AS cls
 WHERE cls.relnamespace = to_regnamespace($1) AND cls.relkind IN ('r', 'p') AND NOT cls.relispartition
   AND cls.relname <> ALL ($2::text[])
 ORDER BY cls.relname
"""

# Those that are checked with the commit hold up nothing.
_REFERENCES = """
SELECT conrelid, confrelid
  FROM pg_constraint
 WHERE contype = 'f' AND NOT condeferred AND conrelid <> confrelid AND connamespace = to_regnamespace($1)
"""

_COLUMNS = """
SELECT attname
  FROM pg_attribute
 WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
 ORDER BY attnum
"""

_SEQUENCES = """
SELECT schemaname, sequencename, last_value FROM pg_sequences WHERE schemaname = $1 AND last_value IS NOT NULL
"""


class TargetInUse(Conflict):
    """The database that is to be moved into has a life of its own."""

    def __init__(self, service: str) -> None:
        super().__init__(f"The target's {service} has events already. Say --replace to lose all that it holds.")


class SchemasDiffer(Conflict):
    """The two sides were not made by the same migrations."""

    def __init__(self, service: str) -> None:
        super().__init__(
            f"The schema of {service} is not the same on both sides. Run `moocflix migrate` for each first."
        )


class Interrupted(OperatorError):
    """A database was lost, or refused a row, in the middle."""

    def __init__(self, service: str, fault: BaseException) -> None:
        said = str(fault) or type(fault).__name__
        super().__init__(f"The rows of {service} have not moved: {said}. Begin again with --replace.")


@dataclass(frozen=True, slots=True)
class Route:
    """Where one service's schema moves from and to: URLs of its owner on either side."""

    service: str
    source: str
    target: str


async def move_tables(routes: Sequence[Route], *, replace: bool = False) -> dict[str, int]:
    """Move all rows, and set readers to where they lose nothing; the number of rows by service.

    Nobody may write on either side meanwhile. Stopped halfway it may be begun again, with `replace`. Raises
    TargetInUse, SchemasDiffer and DatabaseUnusable before anything is written, and Interrupted.
    """
    for route in routes:
        async with _connected(route.source) as source, _connected(route.target) as target:
            await _check(route.service, source, target, replace=replace)
    moved = {}
    for route in routes:
        try:
            moved[route.service] = await _move_service(route)
        except (*STATEMENT_FAILED, ExceptionGroup) as error:
            fault = _first(error)
            if not isinstance(fault, STATEMENT_FAILED):
                raise
            raise Interrupted(route.service, fault) from error
    await reset_positions({route.service: route.target for route in routes})
    return moved


async def _move_service(route: Route) -> int:
    async with (
        _connected(route.source) as source,
        _connected(route.target) as target,
        # All tables as of one moment.
        source.transaction(isolation="repeatable_read", readonly=True),
        target.transaction(),
    ):
        return await _move_schema(route.service, source, target)


def _first(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Connection]:
    connection = await connect_for_command(url)
    try:
        yield connection
    finally:
        await connection.close()


async def _check(service: str, source: Connection, target: Connection, *, replace: bool) -> None:
    migrations = f"SELECT name, checksum FROM {schema_of(service)}.schema_migrations ORDER BY name"  # noqa: S608 - quoted
    try:
        same = await source.fetch(migrations) == await target.fetch(migrations)
    except asyncpg.UndefinedTableError:
        same = False
    if not same:
        raise SchemasDiffer(service)
    used = await target.fetchval(f"SELECT EXISTS (SELECT FROM {schema_of(service)}.outbox)")  # noqa: S608 - quoted
    if used and not replace:
        raise TargetInUse(service)


async def _move_schema(service: str, source: Connection, target: Connection) -> int:
    tables = await _in_order(source, service)
    schema = schema_of(service)
    there = await target.fetch(_TABLES, schema, ["schema_migrations"])
    await target.execute("TRUNCATE " + ", ".join(f'{schema}."{table["name"]}"' for table in there))
    rows = 0
    for oid, name in tables:
        columns = [row["attname"] for row in await source.fetch(_COLUMNS, oid)]
        rows += await _copy(source, target, schema=service, table=name, columns=columns)
    for sequence in await source.fetch(_SEQUENCES, service):
        name = f'{schema}."{sequence["sequencename"]}"'
        await target.execute("SELECT setval($1::regclass, $2)", name, sequence["last_value"])
    return rows


async def _in_order(source: Connection, service: str) -> list[tuple[int, str]]:
    """The tables, each after those that its rows refer to."""
    schema = schema_of(service)
    names = {row["oid"]: row["name"] for row in await source.fetch(_TABLES, schema, list(_STAYS))}
    needs: dict[int, set[int]] = {oid: set() for oid in names}
    for row in await source.fetch(_REFERENCES, schema):
        needs[row["conrelid"]].add(row["confrelid"])
    ordered: list[tuple[int, str]] = []
    while needs:
        free = [oid for oid, missing in needs.items() if not missing & needs.keys()]
        if not free:
            circle = ", ".join(names[oid] for oid in needs)
            raise RuntimeError(f"the tables {circle} of {service} refer to each other in a circle")
        ordered += [(oid, names[oid]) for oid in free]
        for oid in free:
            del needs[oid]
    return ordered


async def _copy(source: Connection, target: Connection, *, schema: str, table: str, columns: Sequence[str]) -> int:
    """Stream a table from one connection into the other, a few pieces of it in memory at a time."""
    pieces: asyncio.Queue[bytes | None] = asyncio.Queue(_CHUNKS_AHEAD)
    listed = ", ".join(f'"{column}"' for column in columns)
    query = f'SELECT {listed} FROM {schema_of(schema)}."{table}"'  # noqa: S608 - names out of the catalogue, quoted

    async def read() -> None:
        await source.copy_from_query(query, output=pieces.put, format="binary")
        await pieces.put(None)

    async def arriving() -> AsyncIterator[bytes]:
        while (piece := await pieces.get()) is not None:
            yield piece

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read())
        status = await target.copy_to_table(
            table, schema_name=schema, columns=list(columns), source=arriving(), format="binary"
        )
    return int(status.rpartition(" ")[2])
