"""Telling the other processes that an outbox has news: NOTIFY after the commit, coalesced.

Inside the transaction a NOTIFY would take one lock for the whole cluster with every commit. Here commits only note
the name of their outbox, and one task tells of all that were noted meanwhile. What is lost, polling finds.
"""

import asyncio

import structlog

from moocflix.platform.database.connect import STATEMENT_FAILED, Connection, connect, hang_up

CHANNEL = "moocflix_outbox"

# At rest a wake-up goes out at once; under load at most 200 a second, whatever the number of commits.
_PAUSE_SECONDS = 0.005
_AWAY_SECONDS = 1.0
_CLOSE_SECONDS = 1.0

_log = structlog.get_logger("moocflix.events")


class Wakeups:
    """One sender for one database in one process, on a connection of its own that is opened at the first need."""

    def __init__(self, dsn: str) -> None:
        """`dsn` may name any role: whoever may connect may notify."""
        self._dsn = dsn
        self._connection: Connection | None = None
        self._noted: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def wake(self, source: str) -> None:
        """Tell of news in the outbox of `source`, soon; never waits, never fails."""
        self._noted.add(source)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._send())

    async def close(self) -> None:
        """Send what is noted, then close the connection."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_CLOSE_SECONDS)
            if self._task is not None:
                self._task.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            await hang_up(connection)

    async def _send(self) -> None:
        try:
            while self._noted:
                sources, self._noted = sorted(self._noted), set()
                await self._notify(sources)
                await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self._task = None

    async def _notify(self, sources: list[str]) -> None:
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await connect(self._dsn)
            await self._connection.execute(
                "SELECT pg_notify($1, source) FROM unnest($2::text[]) AS source", CHANNEL, sources
            )
        except STATEMENT_FAILED as error:
            _log.warning("wakeup.lost", sources=sources, error=type(error).__name__)
            await asyncio.sleep(_AWAY_SECONDS)
