"""Running a service's jobs: claim, keep the lease alive, finish, try again later, or give up."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from moocflix.platform import jobs
from moocflix.platform.database.transaction import Database
from moocflix.platform.errors import Unavailable
from moocflix.platform.failures import AWAY, HINDERED, describe
from moocflix.platform.ids import new_id
from moocflix.platform.service import Job, ServiceContext
from moocflix.platform.settings import JobsSettings
from moocflix.platform.spans import begin as begin_span
from moocflix.platform.trace import set_trace, trace_of

_CLAIM = """
UPDATE jobs
   SET status = 'running', attempts = attempts + 1, holder = $1,
       leased_until = clock_timestamp() + (SELECT make_interval(secs => seconds)
                                             FROM unnest($2::text[], $3::float8[]) AS known (name, seconds)
                                            WHERE known.name = jobs.name)
 WHERE id = (SELECT id FROM jobs
              WHERE status = 'waiting' AND run_at <= clock_timestamp() + $4::interval AND name = ANY ($2::text[])
              ORDER BY run_at, id
              LIMIT 1
                FOR UPDATE SKIP LOCKED)
RETURNING id, name, payload, attempts, correlation_id
"""

# Of a worker that has died, or lost its way to the database.
_FREE = """
UPDATE jobs SET status = 'waiting', holder = NULL, leased_until = NULL, error = 'its worker was lost'
 WHERE id IN (SELECT id FROM jobs WHERE status = 'running' AND leased_until < clock_timestamp() FOR UPDATE SKIP LOCKED)
"""

_RENEW = """
UPDATE jobs SET leased_until = clock_timestamp() + make_interval(secs => $4), progress = greatest(progress, $5)
 WHERE id = $1 AND holder = $2 AND attempts = $3 AND status = 'running' RETURNING true
"""

_DONE = """
UPDATE jobs
   SET status = 'done', progress = 1, error = NULL, holder = NULL, leased_until = NULL, finished_at = clock_timestamp()
 WHERE id = $1 AND holder = $2 AND attempts = $3 AND status = 'running'
"""

_DEAD = """
UPDATE jobs
   SET status = 'dead', error = $4, holder = NULL, leased_until = NULL, finished_at = clock_timestamp()
 WHERE id = $1 AND holder = $2 AND attempts = $3 AND status = 'running'
"""

# A try that was not the job's fault is given back.
_LATER = """
UPDATE jobs
   SET status = 'waiting', error = $4, holder = NULL, leased_until = NULL, attempts = attempts - $5::int,
       run_at = clock_timestamp() + make_interval(secs => $6)
 WHERE id = $1 AND holder = $2 AND attempts = $3 AND status = 'running'
"""

_BACKOFF_SECONDS = 2.0
_BACKOFF_LIMIT_SECONDS = 600.0
_GROWTH = 4
_AWAY_SECONDS = 3.0
# However often an outbox says that it has news, the jobs are looked at no more often than this.
_LOOK_SECONDS = 0.05

_log = structlog.get_logger("moocflix.jobs")


class JobLost(Exception):
    """The lease ran out and another worker may have the job."""


class Run:
    """One run of a job, as its function sees it."""

    def __init__(self, context: ServiceContext, job: Job, row: Any, holder: UUID) -> None:
        """`row` is what the claim returned."""
        self.context = context
        self.payload: dict[str, Any] = row["payload"]
        self.attempt: int = row["attempts"]
        self.id: UUID = row["id"]
        self.job = job
        self.mine = (self.id, holder, self.attempt)
        self._progress = 0.0

    async def progress(self, fraction: float) -> None:
        """Say how far it has come, 0..1; keeps the job's lease alive. Raises JobLost."""
        self._progress = min(max(fraction, self._progress), 1.0)
        await self.renew()

    async def renew(self) -> None:
        """Keep the lease. Raises JobLost."""
        reader = self.context.database.reader
        if not await reader.fetchval(_RENEW, *self.mine, self.job.lease.total_seconds(), self._progress):
            raise JobLost


class JobRunner:
    """The jobs of one service in one worker process."""

    def __init__(self, context: ServiceContext, known: tuple[Job, ...]) -> None:
        """`known` are the jobs that this worker can run; others are left to others."""
        self._context = context
        self._database: Database = context.database
        self._jobs = {job.name: job for job in known}
        self._names = list(self._jobs)
        self._leases = [job.lease.total_seconds() for job in known]
        self._free = context.settings.of(JobsSettings).concurrency
        self._holder = new_id()
        self._look = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    async def prepare(self) -> None:
        """Bring the timetable up to date."""
        async with self._database.transaction() as tx:
            await jobs.schedule(tx, tuple(self._jobs.values()))

    def wake(self) -> None:
        """There may be something to do."""
        self._look.set()

    async def run(self) -> None:
        """Run jobs until cancelled; those under way are then given back."""
        try:
            while True:
                await self._look.wait()
                self._look.clear()
                try:
                    await self._start_due()
                except HINDERED as error:
                    _log.warning("jobs.away", service=self._context.name, error=type(error).__name__)
                    await asyncio.sleep(_AWAY_SECONDS)
                    self._look.set()
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def run_one(self, *, ahead: timedelta = timedelta(0)) -> bool:
        """Run one job that is due within `ahead`; False when there is none."""
        row = await self._claim(ahead)
        if row is None:
            return False
        await self._execute(row)
        return True

    async def _start_due(self) -> None:
        while self._free > 0:
            row = await self._claim(timedelta(0))
            if row is None:
                return
            self._free -= 1
            task = asyncio.create_task(self._execute(row))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._free += 1
        self._look.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("job.unrecorded", service=self._context.name, error=describe(error))

    async def _claim(self, ahead: timedelta) -> Any:
        reader = self._database.reader
        await jobs.turn(reader, self._names, ahead=ahead)
        await reader.fetch(_FREE)
        return await reader.fetchrow(_CLAIM, self._holder, self._names, self._leases, ahead)

    async def _execute(self, row: Any) -> None:
        run = Run(self._context, self._jobs[row["name"]], row, self._holder)
        trace = trace_of(row["correlation_id"], None)
        span = begin_span(f"{self._context.name} runs {run.job.name}", trace, kind="internal")
        set_trace(trace if span is None else span.trace)
        done = False
        try:
            done = await self._try(run)
        finally:
            if span is not None:
                span.end(failed=not done, moocflix_service=self._context.name, moocflix_attempt=run.attempt)

    async def _try(self, run: Run) -> bool:
        """Whether it is done."""
        if run.attempt > run.job.attempts:
            # Its last worker died of it, or with it: there is no exception to tell of.
            await self._write(_DEAD, run, "its worker was lost on the last try")
            return False
        try:
            await self._with_heartbeat(run)
        except asyncio.CancelledError:
            with suppress(*HINDERED):
                await self._write(_LATER, run, "its worker stopped", 1, 0.0)
            raise
        except JobLost:
            _log.warning("job.lost", service=self._context.name, job=run.job.name, id=str(run.id))
        except AWAY as error:
            await self._write(_LATER, run, describe(error), 1, _wait_of(error))
        except Exception as error:  # noqa: BLE001 - the edge of a job: whatever it is, it is recorded
            await self._failed(run, error)
        else:
            await self._write(_DONE, run)
            return True
        return False

    async def _with_heartbeat(self, run: Run) -> None:
        work = asyncio.ensure_future(run.job.run(run))
        beat = asyncio.create_task(_heartbeat(run))
        try:
            await asyncio.wait([work, beat], return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await beat
            await work
        finally:
            for task in (work, beat):
                task.cancel()
            await asyncio.gather(work, beat, return_exceptions=True)

    async def _failed(self, run: Run, error: Exception) -> None:
        last = run.attempt >= run.job.attempts
        _log.error(
            "job.dead" if last else "job.failed",
            service=self._context.name,
            job=run.job.name,
            id=str(run.id),
            attempt=run.attempt,
            error=describe(error),
        )
        if last:
            await self._write(_DEAD, run, describe(error))
        else:
            seconds = min(_BACKOFF_SECONDS * _GROWTH ** (run.attempt - 1), _BACKOFF_LIMIT_SECONDS)
            await self._write(_LATER, run, describe(error), 0, seconds)

    async def _write(self, sql: str, run: Run, *args: Any) -> None:
        await self._database.reader.fetch(sql, *run.mine, *args)


async def _heartbeat(run: Run) -> None:
    """Renew the lease for as long as the job runs; ends by JobLost alone."""
    pause = run.job.lease.total_seconds() / 3
    while True:
        await asyncio.sleep(pause)
        with suppress(*HINDERED):
            await run.renew()


def _wait_of(error: BaseException) -> float:
    return float(error.retry_after) if isinstance(error, Unavailable) else _AWAY_SECONDS
