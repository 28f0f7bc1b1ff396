"""Jobs: work beside requests, as rows in PostgreSQL.

A job is enqueued in the caller's transaction, so it exists exactly when the change does that asks for it. One worker
takes it, by a lease on the database's clock that a heartbeat renews; a worker that dies leaves the lease to run out,
and another takes the job. All runs are at least once: a job must bear being run again.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from moocflix.platform.database.transaction import Reader, Tx
from moocflix.platform.ids import new_id
from moocflix.platform.service import Job

_ENQUEUE = """
INSERT INTO jobs (id, name, payload, unique_key, run_at, correlation_id)
VALUES ($1, $2, $3, $4, coalesce($5, clock_timestamp() + $6::interval), $7)
    ON CONFLICT (name, unique_key) WHERE status IN ('waiting', 'running') DO NOTHING
RETURNING id
"""

_CANCEL = "DELETE FROM jobs WHERE name = $1 AND unique_key = $2 AND status = 'waiting'"

_SCHEDULE = """
INSERT INTO schedules AS known (name, every, next_at) VALUES ($1, $2, clock_timestamp() + $2)
    ON CONFLICT (name) DO UPDATE
   SET every = excluded.every, next_at = least(known.next_at, excluded.next_at)
 WHERE known.every <> excluded.every
"""

_UNSCHEDULE = "DELETE FROM schedules WHERE name <> ALL ($1::text[])"

# One statement: the schedule moves on and the job is there, or neither. Missed times are not made up for. What is
# further off than its own interval was put there by a clock that has been set back since.
_TURN = """
WITH turned AS (
    UPDATE schedules
       SET last_at = clock_timestamp(),
           next_at = clock_timestamp() + $1::interval + every
     WHERE next_at NOT BETWEEN clock_timestamp() + $1::interval AND clock_timestamp() + $1::interval + every
       AND name = ANY ($2::text[])
    RETURNING name)
INSERT INTO jobs (id, name, unique_key)
SELECT gen_random_uuid(), name, 'schedule' FROM turned
    ON CONFLICT (name, unique_key) WHERE status IN ('waiting', 'running') DO NOTHING
RETURNING id
"""


async def enqueue(
    tx: Tx,
    name: str,
    payload: dict[str, Any] | None = None,
    *,
    unique_key: str | None = None,
    run_at: datetime | None = None,
    delay: timedelta = timedelta(0),
) -> UUID | None:
    """Have the service's job `name` run after the commit: at `run_at`, or `delay` from now; its id.

    None when a job of this name and `unique_key` is waiting or running already.
    """
    job_id: UUID | None = await tx.fetchval(
        _ENQUEUE, new_id(), name, payload or {}, unique_key, run_at, delay, tx.trace.correlation_id
    )
    tx.wake()
    return job_id


async def cancel(tx: Tx, name: str, *, unique_key: str) -> bool:
    """Take back a job that waits; False when there is none, or it runs already."""
    return await tx.execute(_CANCEL, name, unique_key) > 0


async def schedule(tx: Tx, jobs: tuple[Job, ...]) -> None:
    """Keep the timetable of the repeating jobs among these, and no other."""
    repeating = [job for job in jobs if job.every is not None]
    for job in repeating:
        await tx.execute(_SCHEDULE, job.name, job.every)
    await tx.execute(_UNSCHEDULE, [job.name for job in repeating])


async def turn(db: Reader, names: list[str], *, ahead: timedelta) -> bool:
    """Enqueue what the timetable says is due; whether anything was."""
    return bool(await db.fetch(_TURN, ahead, names))
