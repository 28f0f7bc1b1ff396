"""How a handler is run: in its transaction, under its idempotency key, again where a local copy was missing."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg

from moocflix.platform.database.transaction import Tx
from moocflix.platform.errors import Conflict, CopyMissing, Invalid, NotFound, Refusal, Unavailable
from moocflix.platform.http.call import Call
from moocflix.platform.http.idempotency import KeyedCall
from moocflix.platform.http.reply import Answer, StreamAnswer
from moocflix.platform.service import ServiceContext

FillCopy = Callable[[ServiceContext, str, UUID], Awaitable[bool]]

_ATTEMPTS = 4
_AWAY = (
    asyncpg.QueryCanceledError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    ConnectionError,
)
_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


class Writes:
    """Runs handlers as their routes declare."""

    def __init__(self, *, fill_copy: FillCopy, secret: bytes) -> None:
        """`fill_copy` fetches a missing copy from its owner, False where the owner has none."""
        self._fill_copy = fill_copy
        self._secret = secret

    async def run(self, call: Call) -> Answer:
        """Run the call's handler; what it wrote is committed when this returns."""
        keyed = KeyedCall(call, secret=self._secret) if call.idempotency_key is not None else None
        if call.route.writes == "transaction":
            return await self._with_copies(call, lambda: self._transact(call, keyed))
        if keyed is None or call.route.writes == "none":
            return await self._with_copies(call, lambda: call.endpoint.run(call))
        return await self._leased(call, keyed)

    async def _with_copies(self, call: Call, run: Callable[[], Awaitable[Answer]]) -> Answer:
        for _ in range(_ATTEMPTS):
            try:
                return await run()
            except CopyMissing as missing:
                if not await self._fill_copy(call.context, missing.entity, missing.entity_id):
                    raise NotFound(f"There is no {missing.entity} {missing.entity_id}.") from None
            except _AGAIN:
                continue
        raise Unavailable("Too many others write this at the moment.", retry_after=1)

    async def _transact(self, call: Call, keyed: KeyedCall | None) -> Answer:
        call.shared = False
        call.tx = tx = call.context.database.begin()
        try:
            if keyed is not None:
                stored = await keyed.begin(tx)
                if stored is not None:
                    await tx.rollback()
                    return stored
            answer = await call.endpoint.run(call)
            if keyed is not None and not isinstance(answer, StreamAnswer):
                await keyed.store(tx, answer)
            await tx.commit()
        except BaseException as error:
            await _end(tx, error)
            raise
        return answer

    async def _leased(self, call: Call, keyed: KeyedCall) -> Answer:
        database = call.context.database
        stored = await keyed.lease(database)
        if stored is not None:
            return stored
        call.keyed = keyed
        alive = asyncio.create_task(keyed.keep_alive(database))
        try:
            answer = await self._with_copies(call, lambda: call.endpoint.run(call))
        except BaseException:
            await keyed.release(database)
            raise
        finally:
            alive.cancel()
        if not isinstance(answer, StreamAnswer):
            await keyed.finish(database, answer)
        return answer


async def _end(tx: Tx, error: BaseException) -> None:
    if isinstance(error, Refusal) and error.keeps_writes:
        await tx.commit()
    else:
        await tx.rollback()


def translate(error: Any) -> Refusal | None:
    """The refusal that a database error amounts to; None for a fault of our own."""
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return Conflict("This does not fit what is there.")
    if isinstance(error, asyncpg.DataError):
        return Invalid("A value is outside what can be stored.", field="request")
    if isinstance(error, _AWAY):
        return Unavailable("The database is busy or restarting.")
    return None
