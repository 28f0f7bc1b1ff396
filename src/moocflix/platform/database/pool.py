"""A thin pool over asyncpg connections.

asyncpg's own pool costs more than a whole web framework (a reset query and several task switches for each use).
This one acquires and releases without a switch, last in first out. It runs no reset query, so nothing may keep session
state: no SET, no LISTEN, no session locks. A connection that comes back in a transaction, closed, or after an
exception that is not PostgreSQL's own is replaced.
"""

import asyncio
from collections import deque
from time import monotonic
from typing import Any

import asyncpg
import msgspec

from moocflix.platform import spans
from moocflix.platform.database.connect import LOST, Connection, connect, hang_up
from moocflix.platform.errors import Unavailable

_WAIT_SECONDS = 10.0
_IDLE_IN_TRANSACTION_MS = "60000"
_AWAY = (*LOST, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError, asyncpg.ConnectionDoesNotExistError)


class Pool:
    """Connections of one role to one database, opened when needed and let go when idle."""

    def __init__(self, dsn: str, *, size: int = 4, idle_seconds: float = 60, statement_seconds: float = 30) -> None:
        """`size` bounds the open connections; `statement_seconds` each statement's time on the server."""
        self._dsn = dsn
        self._size = size
        self._idle_seconds = idle_seconds
        self._statement_ms = int(statement_seconds * 1000)
        self._idle: list[tuple[Connection, float]] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._open = 0
        self._closed = False

    @property
    def open(self) -> int:
        """How many connections are open, the used ones included."""
        return self._open

    @property
    def idle(self) -> int:
        """How many of them nobody uses."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """How many tasks wait for one."""
        return len(self._waiting)

    async def acquire(self) -> Connection:
        """A connection, for this task alone until it is released. Raises Unavailable."""
        while True:
            while self._idle:
                connection, _ = self._idle.pop()
                if not connection.is_closed():
                    return connection
                self._open -= 1
            if self._closed:
                raise Unavailable("The platform is stopping.")
            if self._open < self._size:
                return await self._connect()
            await self._wait()

    def release(self, connection: Connection) -> None:
        """Give a connection back; it is thrown away unless it is as good as new."""
        if connection.is_closed() or connection.is_in_transaction() or self._closed:
            self.discard(connection)
            return
        self._idle.append((connection, monotonic()))
        self._wake_one()

    def discard(self, connection: Connection) -> None:
        """Give back a connection that must not be used again."""
        self._open -= 1
        connection.terminate()
        self._wake_one()

    def release_idle(self) -> None:
        """Let go of what has not been used for a while; called now and then by the process."""
        oldest = monotonic() - self._idle_seconds
        while self._idle and self._idle[0][1] < oldest:
            connection, _ = self._idle.pop(0)
            self._open -= 1
            connection.terminate()

    async def close(self) -> None:
        """Close what is idle; what is in use closes when it is released."""
        self._closed = True
        idle, self._idle = self._idle, []
        self._open -= len(idle)
        await asyncio.gather(*(hang_up(connection) for connection, _ in idle))
        while self._waiting:
            self._wake_one()

    async def _connect(self) -> Connection:
        self._open += 1
        try:
            connection = await connect(
                self._dsn,
                statement_timeout=str(self._statement_ms),
                # A process that was frozen in a transaction must not hold its locks for ever.
                idle_in_transaction_session_timeout=_IDLE_IN_TRANSACTION_MS,
            )
            if spans.is_on():
                connection.add_query_logger(spans.statement)
            await connection.set_type_codec(
                "jsonb", schema="pg_catalog", format="binary", encoder=_encode_jsonb, decoder=_decode_jsonb
            )
        except _AWAY as error:
            self._open -= 1
            self._wake_one()
            raise Unavailable("The database is away.") from error
        except BaseException:
            self._open -= 1
            self._wake_one()
            raise
        return connection

    async def _wait(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await turn
        except TimeoutError:
            # Woken in the very turn in which the time was over: the connection is there for this task.
            if not turn.done() or turn.cancelled():
                raise Unavailable("All connections to the database are in use.") from None
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._wake_one()
            raise
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)

    def _wake_one(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return


def _encode_jsonb(value: Any) -> bytes:
    return b"\x01" + msgspec.json.encode(value)


def _decode_jsonb(data: bytes) -> Any:
    return msgspec.json.decode(data[1:])
