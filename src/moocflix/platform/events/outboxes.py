"""One process's connection to one database under role bus: it listens, polls, and reads outboxes.

It is the only connection with session state (LISTEN), so it goes past any connection pooler. At rest it is all that
a worker keeps open: once a second a single statement says which services have something to do.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import asyncpg
import structlog

from moocflix.platform.database.connect import LOST, Connection, connect, hang_up
from moocflix.platform.errors import Unavailable
from moocflix.platform.events.wakeups import CHANNEL

NOTHING = "1:1:"
"""The snapshot that sees no transaction at all."""

_STATEMENT_MS = 60_000
_RECONNECT_SECONDS = 1.0
_AWAY = (
    *LOST,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,  # connections, memory, or the disk
)

# Rows of transactions that the snapshot of the last look did not see: later ones, and those that were under way.
# The order leads the planner to the index: it expects a third of the table, and there is nothing at all.
_LOOK = """
SELECT {name} AS service, pg_current_snapshot()::text AS snapshot,
       (SELECT xid FROM {schema}.outbox WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot)
         ORDER BY xid LIMIT 1) IS NOT NULL
       OR EXISTS (SELECT FROM pg_snapshot_xip($1::text::pg_snapshot) AS open (xid)
                   CROSS JOIN LATERAL (SELECT FROM {schema}.outbox AS event
                                        WHERE event.xid = open.xid ORDER BY seq LIMIT 1) AS event) AS news,
       coalesce((SELECT next_at FROM {schema}.agenda) <= clock_timestamp(), false) AS due
"""

_log = structlog.get_logger("moocflix.events")

Listener = Callable[[str], None]


def schema_of(service: str) -> str:
    """The quoted name of a service's schema."""
    quoted = service.replace('"', '""')
    return f'"{quoted}"'


def by_database(names: Iterable[str], url_of: Callable[[str], str], *, poll: float) -> "dict[str, Outboxes]":
    """One connection to each database that holds some of these services; by service."""
    held: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        held.setdefault(url_of(name), []).append(name)
    outboxes = {url: Outboxes(url, services=services, poll_seconds=poll) for url, services in held.items()}
    return {name: outboxes[url] for url, services in held.items() for name in services}


class Fetches(Protocol):
    """Reads as role bus."""

    async def fetch(self, sql: str, *args: Any) -> Sequence[Any]:
        """All rows. Raises Unavailable."""


class Outboxes:
    """The outboxes of one database, and the agendas of the services in it."""

    def __init__(self, dsn: str, *, services: Sequence[str], poll_seconds: float = 1.0) -> None:
        """`dsn` names role bus; `services` those whose schemas are in this database."""
        self.services = tuple(services)
        self._dsn = dsn
        self._poll_seconds = poll_seconds
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()
        self._listeners: list[Listener] = []
        self._seen = NOTHING
        self._look = " UNION ALL ".join(
            _LOOK.format(name="'" + name.replace("'", "''") + "'", schema=schema_of(name)) for name in self.services
        )

    def listen(self, listener: Listener) -> None:
        """Have `listener` called with a service's name when its outbox has news or its agenda is due."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Stay connected, listen and poll until cancelled."""
        while True:
            try:
                await self.poll()
                await asyncio.sleep(self._poll_seconds)
            except Unavailable as error:
                _log.warning("bus.away", error=type(error.__cause__).__name__)
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def poll(self) -> None:
        """Look once, and tell the listeners."""
        if not self.services:
            return
        async with self._connected() as connection:
            rows = await connection.fetch(self._look, self._seen)
            self._seen = rows[0]["snapshot"]
        for row in rows:
            if row["news"] or row["due"]:
                self._tell(row["service"])

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """Run one statement. Raises Unavailable while the database is away."""
        async with self._connected() as connection:
            return await connection.fetch(sql, *args)

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await hang_up(connection)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        """The one connection, for one statement at a time. Raises Unavailable."""
        async with self._turn:
            try:
                yield await self._connect()
            except asyncpg.DataError:
                raise
            except _AWAY as error:
                self._drop()
                raise Unavailable("The event log is away.") from error
            except asyncio.CancelledError:
                self._drop()
                raise

    async def _connect(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            # After a loss of the connection everything counts as news: it may be that the server crashed.
            self._seen = NOTHING
            self._connection = await connect(
                self._dsn, application_name="moocflix bus", statement_timeout=str(_STATEMENT_MS)
            )
            await self._connection.add_listener(CHANNEL, self._notified)
        return self._connection

    def _notified(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self._tell(str(payload))

    def _tell(self, service: str) -> None:
        for listener in self._listeners:
            listener(service)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            connection.terminate()
