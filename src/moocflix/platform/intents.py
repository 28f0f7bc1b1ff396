"""Intents: work with a remote part in three committed steps, finished by a job where a crash left it.

`start` commits what is meant, `call` asks the other side outside any transaction, `finish` commits what came of it.
Where the other side refuses, `undo` commits that instead. Each committed step happens once, whoever runs it: the
request, or the job that takes over. `call` may happen again; `payload["intentId"]` is the key by which the other side
knows a repetition.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from moocflix.platform import jobs
from moocflix.platform.database.transaction import Tx, in_transaction
from moocflix.platform.errors import Refusal, TooMany, Unavailable, refusal_of
from moocflix.platform.service import Job, JobRun, Service, ServiceContext
from moocflix.platform.trace import current_trace

RECOVER = "platform.finish-intent"

Payload = dict[str, Any]

# How long the request has for itself before the job takes over.
_OWN_TIME = timedelta(seconds=30)

_START = """
INSERT INTO intents (id, name, payload, correlation_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING id
"""

_LOOK = "SELECT id, name, payload, status, reply, result FROM intents WHERE id = $1"

_ANSWERED = "UPDATE intents SET status = $2, reply = $3 WHERE id = $1 AND status = 'started' RETURNING true"

# Whoever turns the status is the one whose step counts; another waits for the row, and then sees what came of it.
_TURN = "UPDATE intents SET status = $3, finished_at = clock_timestamp() WHERE id = $1 AND status = $2"

_RESULT = "UPDATE intents SET result = $2 WHERE id = $1"


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A piece of work with a remote part. Payload, reply and result are what JSON can say."""

    name: str
    start: Callable[[Tx, Payload], Awaitable[None]]
    """Checks, and writes what is meant; a refusal here leaves nothing."""
    call: Callable[[ServiceContext, Payload], Awaitable[Any]]
    """Asks the other side. TooMany and Unavailable mean later; any other refusal is final."""
    finish: Callable[[Tx, Payload, Any], Awaitable[Any]]
    """Writes what came of it; its value is the result."""
    undo: Callable[[Tx, Payload, Refusal], Awaitable[None]]
    """Takes back what `start` wrote, since the other side refused."""


async def run(context: ServiceContext, intent: Intent, payload: Payload, *, intent_id: UUID) -> Any:
    """Do it, or go on with what an earlier run of the same id has left; the result of `finish`.

    Raises the other side's refusal once that is undone. Raises Unavailable while the other side is away: the intent
    stands, and is finished later.
    """
    if in_transaction():
        raise RuntimeError(f"intent {intent.name} commits its steps itself: no transaction may be open")
    async with context.database.transaction() as tx:
        if await tx.fetchval(_START, intent_id, intent.name, payload, current_trace().correlation_id):
            await intent.start(tx, payload)
            await jobs.enqueue(tx, RECOVER, {"id": str(intent_id)}, unique_key=str(intent_id), delay=_OWN_TIME)
    return await _go_on(context, intent, intent_id)


def recovery(service: Service) -> Job:
    """The job that finishes what a crash or an absent neighbour left."""
    known: dict[str, Intent] = {intent.name: intent for intent in service.intents}

    async def recover(job: JobRun) -> None:
        intent_id = UUID(job.payload["id"])
        row = await job.context.database.reader.fetchrow(_LOOK, intent_id)
        if row is None or row["status"] in {"finished", "undone"}:
            return
        try:
            await _go_on(job.context, known[row["name"]], intent_id)
        except (TooMany, Unavailable):
            raise
        except Refusal:
            # Undone, and kept with the intent; there is nobody here to tell.
            return

    return Job(name=RECOVER, run=recover, attempts=30)


async def _go_on(context: ServiceContext, intent: Intent, intent_id: UUID) -> Any:
    """Step on until the end. Each turn reads what is committed, so that two who do this agree."""
    while True:
        row = await context.database.reader.fetchrow(_LOOK, intent_id)
        if row is None:
            raise LookupError(f"intent {intent_id} is not there")
        match row["status"]:
            case "started":
                await _call(context, intent, row)
            case "called":
                await _finish(context, intent, row)
            case "refused":
                await _undo(context, intent, row)
            case "undone":
                raise refusal_of(**row["reply"])
            case _:
                return row["result"]


async def _call(context: ServiceContext, intent: Intent, row: Any) -> None:
    try:
        reply = await intent.call(context, {**row["payload"], "intentId": str(row["id"])})
    except (TooMany, Unavailable):
        raise
    except Refusal as refusal:
        said = {"status": refusal.status, "message": refusal.message}
        await context.database.reader.fetchval(_ANSWERED, row["id"], "refused", said)
    else:
        await context.database.reader.fetchval(_ANSWERED, row["id"], "called", msgspec.to_builtins(reply))


async def _finish(context: ServiceContext, intent: Intent, row: Any) -> None:
    async with context.database.transaction() as tx:
        if await tx.execute(_TURN, row["id"], "called", "finished"):
            result = await intent.finish(tx, row["payload"], row["reply"])
            await tx.execute(_RESULT, row["id"], msgspec.to_builtins(result))
            await jobs.cancel(tx, RECOVER, unique_key=str(row["id"]))


async def _undo(context: ServiceContext, intent: Intent, row: Any) -> None:
    async with context.database.transaction() as tx:
        if await tx.execute(_TURN, row["id"], "refused", "undone"):
            await intent.undo(tx, row["payload"], refusal_of(**row["reply"]))
            await jobs.cancel(tx, RECOVER, unique_key=str(row["id"]))
