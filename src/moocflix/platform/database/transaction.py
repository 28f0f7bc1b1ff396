"""Reads as single statements, writes as one transaction that takes its events along."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import asyncpg

from moocflix.platform.database.connect import LOST, STATEMENT_FAILED, Connection
from moocflix.platform.database.outbox import OutboxRow, insert_rows
from moocflix.platform.database.pool import Pool
from moocflix.platform.errors import Unavailable
from moocflix.platform.trace import Trace, current_trace

if TYPE_CHECKING:
    # By name only: events stand above the database.
    from moocflix.platform.events.envelope import Payload, Topic

Record = asyncpg.Record
P = TypeVar("P", bound="Payload")

_AWAY_SENTENCE = "The database went away."

_in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)


def in_transaction() -> bool:
    """Whether this task has a transaction open; no remote call may be made then."""
    return _in_transaction.get()


class Reader(Protocol):
    """What a query needs: statements with `$1` arguments, as asyncpg takes them."""

    async def fetch(self, sql: str, *args: Any) -> Sequence[Record]:
        """All rows."""

    async def fetchrow(self, sql: str, *args: Any) -> Record | None:
        """The first row, or None."""

    async def fetchval(self, sql: str, *args: Any) -> Any:
        """The first value of the first row, or None."""


class _Verbs(ABC):
    """A Reader, as soon as it is said on which connection a statement runs."""

    async def fetch(self, sql: str, *args: Any) -> Sequence[Record]:
        """All rows."""
        rows: Sequence[Record] = await self._run("fetch", sql, args)
        return rows

    async def fetchrow(self, sql: str, *args: Any) -> Record | None:
        """The first row, or None."""
        row: Record | None = await self._run("fetchrow", sql, args)
        return row

    async def fetchval(self, sql: str, *args: Any) -> Any:
        """The first value of the first row, or None."""
        return await self._run("fetchval", sql, args)

    @abstractmethod
    async def _run(self, verb: str, sql: str, args: tuple[Any, ...]) -> Any:
        """What this verb of asyncpg gives."""


class Statements(_Verbs):
    """A Reader whose every statement commits by itself."""

    def __init__(self, pool: Pool) -> None:
        """Statements run on whichever connection of `pool` is free."""
        self._pool = pool

    async def _run(self, verb: str, sql: str, args: tuple[Any, ...]) -> Any:
        connection = await self._pool.acquire()
        try:
            result = await getattr(connection, verb)(sql, *args)
        except asyncpg.PostgresError:
            self._pool.release(connection)
            raise
        except LOST as error:
            self._pool.discard(connection)
            raise Unavailable(_AWAY_SENTENCE) from error
        except BaseException:
            self._pool.discard(connection)
            raise
        self._pool.release(connection)
        return result


class Tx(_Verbs):
    """One transaction of a service, opened at its first statement and ended by whoever made it.

    What is published is written to the outbox with the commit, in the order of publishing.
    """

    def __init__(self, pool: Pool, *, source: str, wake: Callable[[str], None]) -> None:
        """`wake` is told the source's name after a commit that left events in its outbox."""
        self._pool = pool
        self._source = source
        self._wake = wake
        self._connection: Connection | None = None
        self._rows: list[OutboxRow] = []
        self._wakes = False
        self._ended = False

    @property
    def trace(self) -> Trace:
        """The ids that an outbox row carries."""
        return current_trace()

    async def execute(self, sql: str, *args: Any) -> int:
        """How many rows the statement touched."""
        status: str = await self._run("execute", sql, args)
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def fetchrow_alone(self, sql: str, *args: Any) -> Record | None:
        """Run the whole write as one statement that commits by itself, its outbox row included: one round trip.

        Where the transaction is open already, the statement just runs in it.
        """
        if self._connection is not None:
            return await self.fetchrow(sql, *args)
        return await Statements(self._pool).fetchrow(sql, *args)

    def publish(self, topic: "Topic[P]", payload: P) -> None:
        """Have the event written with the commit; call it after the entity's row is locked."""
        self._rows.append(OutboxRow.of(topic, payload, self.trace))
        self._wakes = True

    def wake(self) -> None:
        """Say that a statement of one's own has written an outbox row."""
        self._wakes = True

    async def commit(self) -> None:
        """Write the queued events, commit, then tell who waits for either; all is undone where that fails."""
        try:
            if self._rows:
                await insert_rows(self, self._rows)
        except BaseException:
            await self.rollback()
            raise
        await self._commit()
        if self._wakes:
            self._wake(self._source)

    async def rollback(self) -> None:
        """Undo everything; queued events are forgotten. A connection that is gone has undone it already."""
        connection = self._end()
        if connection is None:
            return
        try:
            await connection.execute("ROLLBACK")
        except STATEMENT_FAILED:
            self._pool.discard(connection)
        except BaseException:
            self._pool.discard(connection)
            raise
        else:
            self._pool.release(connection)

    async def _run(self, verb: str, sql: str, args: tuple[Any, ...]) -> Any:
        connection = await self._opened()
        try:
            return await getattr(connection, verb)(sql, *args)
        except LOST as error:
            raise Unavailable(_AWAY_SENTENCE) from error

    async def _opened(self) -> Connection:
        if self._connection is None:
            if self._ended:
                raise RuntimeError("this transaction has ended")
            connection = await self._pool.acquire()
            try:
                await connection.execute("BEGIN")
            except LOST as error:
                self._pool.discard(connection)
                raise Unavailable(_AWAY_SENTENCE) from error
            except BaseException:
                self._pool.discard(connection)
                raise
            self._connection = connection
            _in_transaction.set(True)
        return self._connection

    async def _commit(self) -> None:
        connection = self._end()
        if connection is None:
            return
        try:
            await connection.execute("COMMIT")
        except LOST as error:
            self._pool.discard(connection)
            raise Unavailable(_AWAY_SENTENCE) from error
        except BaseException:
            self._pool.discard(connection)
            raise
        self._pool.release(connection)

    def _end(self) -> Connection | None:
        self._ended = True
        connection, self._connection = self._connection, None
        if connection is not None:
            _in_transaction.set(False)
        return connection


class Database:
    """One service's tables, under its own role; its schema is the search path."""

    def __init__(self, pool: Pool, *, source: str, wake: Callable[[str], None] = lambda _source: None) -> None:
        """`source` is the service's name; `wake` as for Tx."""
        self.pool = pool
        self.source = source
        self.reader = Statements(pool)
        self._wake = wake

    def begin(self) -> Tx:
        """A transaction that the caller must commit or roll back."""
        return Tx(self.pool, source=self.source, wake=self._wake)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """A transaction that commits at the end of the block and rolls back where it raises."""
        tx = self.begin()
        try:
            yield tx
        except BaseException:
            await tx.rollback()
            raise
        await tx.commit()
