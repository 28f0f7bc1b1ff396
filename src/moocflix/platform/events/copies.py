"""Local copies of other services' entities: one fetched when a request misses it, all of them for a new copy.

A new or lost copy is filled from the owner's paged list, with versions, while events keep coming: whichever brings the
newer version wins. How far the filling has come is a row of `copies`, so that it goes on after a crash.
"""

from collections.abc import Collection
from uuid import UUID

import structlog

from moocflix.platform import jobs
from moocflix.platform.database.transaction import Tx
from moocflix.platform.service import Copy, Job, JobRun, Service, ServiceContext

FILL = "platform.fill-copy"

_EXPECT = "INSERT INTO copies (entity) VALUES ($1) ON CONFLICT DO NOTHING"

# A copy that was filled once and is empty now has been lost.
_LOST = """
UPDATE copies SET status = 'wanted', cursor = NULL, rows = 0, started_at = NULL
 WHERE entity = $1 AND status = 'filled' AND rows > 0 AND NOT EXISTS (SELECT FROM {table})
"""

_OPEN = "SELECT 1 FROM copies WHERE entity = $1 AND status <> 'filled'"

_BEGIN = """
UPDATE copies
   SET status = 'filling', started_at = coalesce(started_at, clock_timestamp()), updated_at = clock_timestamp()
 WHERE entity = $1 AND status <> 'filled'
RETURNING cursor, started_at
"""

# When it was started tells this filling from one that was begun anew meanwhile, whose pages are not these.
_ADVANCE = """
UPDATE copies
   SET cursor = $2, rows = rows + $3, updated_at = clock_timestamp(),
       status = CASE WHEN $2::text IS NULL THEN 'filled' ELSE status END,
       finished_at = CASE WHEN $2::text IS NULL THEN clock_timestamp() END
 WHERE entity = $1 AND status = 'filling' AND started_at = $4
"""

_WANT = "UPDATE copies SET status = 'wanted', cursor = NULL, rows = 0, started_at = NULL WHERE entity = $1"

_log = structlog.get_logger("moocflix.events")


async def fill(service: Service, context: ServiceContext, entity: str, entity_id: UUID) -> bool:
    """Fetch one entity from its owner into the local copy; False when the owner has none.

    Must not be called inside a transaction. Raises Unavailable when the owner is away.
    """
    copy = _copy(service, entity)
    state = await copy.fetch(context, entity_id)
    if state is None:
        return False
    async with context.database.transaction() as tx:
        await copy.upsert(tx, state)
    return True


async def want_all(service: Service, context: ServiceContext) -> None:
    """Have the service's new and lost copies filled; said by the worker at its start."""
    for copy in service.copies:
        if copy.pages is None:
            continue
        async with context.database.transaction() as tx:
            await tx.execute(_EXPECT, copy.entity)
            await tx.execute(_LOST.format(table=copy.table), copy.entity)
            if await tx.fetchval(_OPEN, copy.entity):
                await jobs.enqueue(tx, FILL, {"entity": copy.entity}, unique_key=copy.entity)


async def start_anew(tx: Tx, service: Service, *, owners: Collection[str]) -> None:
    """Have the copies of these owners' entities filled from the start; versions go to 0, so that all is newer."""
    for copy in service.copies:
        if copy.owner not in owners:
            continue
        await tx.execute(f"UPDATE {copy.table} SET version = 0 WHERE version <> 0")  # noqa: S608 - declared in code
        await tx.execute(_WANT, copy.entity)
        if copy.pages is not None:
            # Without a key: a job that is running may have looked for the last time already.
            await jobs.enqueue(tx, FILL, {"entity": copy.entity})


def filling(service: Service) -> Job:
    """The job that fills one copy, page by page."""

    async def run(job: JobRun) -> None:
        await _fill_all(_copy(service, job.payload["entity"]), job)

    return Job(name=FILL, run=run, attempts=50)


async def _fill_all(copy: Copy, job: JobRun) -> None:
    database = job.context.database
    if copy.pages is None or (begun := await database.reader.fetchrow(_BEGIN, copy.entity)) is None:
        return
    cursor: str | None = begun["cursor"]
    while True:
        states, following = await copy.pages(job.context, cursor)
        async with database.transaction() as tx:
            for state in states:
                await copy.upsert(tx, state)
            if not await tx.execute(_ADVANCE, copy.entity, following, len(states), begun["started_at"]):
                return
        await job.progress(0.5)
        if following is None:
            _log.info("copy.filled", service=job.context.name, entity=copy.entity)
            return
        cursor = following


def _copy(service: Service, entity: str) -> Copy:
    for copy in service.copies:
        if copy.entity == entity:
            return copy
    raise LookupError(f"{service.name} keeps no copy of {entity}")
