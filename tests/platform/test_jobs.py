"""Jobs: with the caller's commit, by one worker only, again after a failure, and after a kill."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from moocflix.platform import jobs
from moocflix.platform.errors import Unavailable
from moocflix.platform.service import Job, JobRun
from tests.platform.post_office import PostOffice, archive, at_rest, kill_in_the_middle, running
from tests.waiting import until

LATER = timedelta(hours=1)


async def enqueue(office: PostOffice, name: str, payload: dict[str, Any] | None = None, **options: Any) -> Any:
    async with office.database("archive", size=1).transaction() as tx:
        return await jobs.enqueue(tx, name, payload, **options)


async def row(office: PostOffice, name: str) -> Any:
    return await office.database("archive", size=1).reader.fetchrow("SELECT * FROM jobs WHERE name = $1", name)


def doing(run: Any, **options: Any) -> Any:
    return archive(jobs=(Job(name="work", run=run, **options),))


async def test_a_job_exists_only_with_the_commit_that_asks_for_it(office: PostOffice) -> None:
    done: list[Any] = []

    async def work(run: JobRun) -> None:
        done.append(run.payload)

    tx = office.database("archive").begin()
    await jobs.enqueue(tx, "work", {"n": 1})
    await tx.rollback()
    await enqueue(office, "work", {"n": 2})
    await office.settle(doing(work))
    assert done == [{"n": 2}]
    assert (await row(office, "work"))["status"] == "done"


async def test_one_worker_alone_takes_each_job(office: PostOffice) -> None:
    taken: Counter[int] = Counter()

    async def work(run: JobRun) -> None:
        taken[run.payload["n"]] += 1
        await asyncio.sleep(0.005)

    for n in range(40):
        await enqueue(office, "work", {"n": n})
    workers = [await running(office.worker(doing(work))) for _ in range(3)]
    reader = office.database("archive", size=1).reader

    async def all_done() -> Any:
        # One that is under way when its worker stops is given back, and rightly taken again.
        return await reader.fetchval("SELECT count(*) = 40 FROM jobs WHERE name = 'work' AND status = 'done'")

    await until(all_done)
    for stop, task in workers:
        stop.set()
        await task
    assert set(taken.values()) == {1}


async def test_a_failing_job_is_tried_again_and_then_kept_as_dead(office: PostOffice) -> None:
    attempts: list[int] = []

    async def work(run: JobRun) -> None:
        attempts.append(run.attempt)
        raise ValueError("a secret")

    await enqueue(office, "work")
    await office.settle(doing(work, attempts=3))
    assert attempts == [1]
    await office.settle(doing(work, attempts=3), ahead=LATER)
    assert attempts == [1, 2, 3]
    dead = await row(office, "work")
    assert dead["status"] == "dead"
    assert "ValueError" in dead["error"]
    assert "secret" not in dead["error"]


@pytest.mark.parametrize("fault", [Unavailable(), asyncpg.DiskFullError("could not extend file")])
async def test_what_is_down_costs_a_job_no_try(office: PostOffice, fault: Exception) -> None:
    async def work(_run: JobRun) -> None:
        raise fault

    await enqueue(office, "work")
    await office.settle(doing(work))
    waiting = await row(office, "work")
    assert (waiting["status"], waiting["attempts"]) == ("waiting", 0)


async def test_a_unique_key_admits_one_that_waits_or_runs(office: PostOffice) -> None:
    async def work(_run: JobRun) -> None:
        assert await enqueue(office, "work", unique_key="one") is None

    assert await enqueue(office, "work", unique_key="one") is not None
    assert await enqueue(office, "work", unique_key="one") is None
    await office.settle(doing(work))
    assert (await row(office, "work"))["status"] == "done"
    assert await enqueue(office, "work", unique_key="one") is not None


async def test_progress_shows_while_it_works(office: PostOffice) -> None:
    seen: list[float] = []

    async def work(run: JobRun) -> None:
        await run.progress(0.25)
        seen.append((await row(office, "work"))["progress"])

    await enqueue(office, "work")
    await office.settle(doing(work))
    assert seen == [0.25]


async def test_a_schedule_puts_in_one_job_each_time(office: PostOffice) -> None:
    runs: list[int] = []

    async def work(run: JobRun) -> None:
        runs.append(run.attempt)

    worker = office.worker(doing(work, every=timedelta(minutes=5)))
    await worker.prepare()
    await worker.settle()
    assert not runs
    await worker.settle(ahead=timedelta(minutes=6))
    assert 1 <= len(runs) <= 3
    await worker.close()


async def test_a_schedule_that_a_clock_gone_wrong_has_put_off_is_turned(office: PostOffice) -> None:
    runs: list[int] = []

    async def work(run: JobRun) -> None:
        runs.append(run.attempt)

    worker = office.worker(doing(work, every=timedelta(minutes=5)))
    await worker.prepare()
    async with office.database("archive", size=1).transaction() as tx:
        await tx.execute("UPDATE schedules SET next_at = next_at + interval '10 h'")
    await worker.settle()
    await worker.settle()
    assert len(runs) == 1
    await worker.close()


async def test_a_job_of_a_killed_worker_goes_to_the_next(office: PostOffice, tmp_path: Path) -> None:
    await enqueue(office, "slow")
    await kill_in_the_middle(office, tmp_path / "reached")
    attempts: list[int] = []

    async def work(run: JobRun) -> None:
        attempts.append(run.attempt)

    service = archive(jobs=(Job(name="slow", run=work),))
    await office.settle(service)
    assert not attempts
    async with office.database("archive").transaction() as tx:
        await tx.execute("UPDATE jobs SET leased_until = clock_timestamp() - interval '1 s'")
    await office.settle(service)
    assert attempts == [2]


async def test_a_worker_that_stops_gives_its_job_back(office: PostOffice) -> None:
    begun = asyncio.Event()

    async def work(_run: JobRun) -> None:
        begun.set()
        await asyncio.sleep(3600)

    await enqueue(office, "work")
    stop, task = await running(office.worker(doing(work)))
    await asyncio.wait_for(begun.wait(), 5)
    stop.set()
    await asyncio.wait_for(task, 5)
    returned = await row(office, "work")
    assert (returned["status"], returned["attempts"]) == ("waiting", 0)


async def test_a_heartbeat_keeps_the_lease_of_a_long_job(office: PostOffice) -> None:
    async def work(_run: JobRun) -> None:
        await asyncio.sleep(1.5)

    await enqueue(office, "work")
    service = doing(work, lease=timedelta(seconds=0.6))
    first, second = office.worker(service), office.worker(service)
    running_one = asyncio.create_task(first.settle())
    await asyncio.sleep(1.0)
    await second.settle()
    assert (await row(office, "work"))["attempts"] == 1
    await running_one
    assert (await row(office, "work"))["status"] == "done"
    await first.close()
    await second.close()


async def test_a_job_whose_lease_was_lost_is_stopped(office: PostOffice) -> None:
    ended = False

    async def work(_run: JobRun) -> None:
        nonlocal ended
        async with office.database("archive").transaction() as tx:
            await tx.execute("UPDATE jobs SET attempts = attempts + 1")
        await asyncio.sleep(5)
        ended = True

    await enqueue(office, "work")
    await asyncio.wait_for(office.settle(doing(work, lease=timedelta(seconds=0.3))), 3)
    assert not ended


@pytest.mark.parametrize("ahead", [timedelta(0), LATER])
async def test_a_job_for_later_waits(office: PostOffice, ahead: timedelta) -> None:
    ran: list[bool] = []

    async def work(_run: JobRun) -> None:
        ran.append(True)

    await enqueue(office, "work", delay=timedelta(minutes=30))
    await office.settle(doing(work), ahead=ahead)
    assert bool(ran) == bool(ahead)


async def test_a_job_that_is_enqueued_wakes_the_worker(office: PostOffice) -> None:
    ran = asyncio.Event()

    async def work(_run: JobRun) -> None:
        ran.set()

    stop, task = await running(office.worker(doing(work), poll_seconds=30))
    await at_rest(office)
    await enqueue(office, "work")
    await asyncio.wait_for(ran.wait(), 2)
    stop.set()
    await task


async def test_a_statement_that_takes_too_long_ends_no_worker(office: PostOffice) -> None:
    done: list[bool] = []

    async def work(_run: JobRun) -> None:
        done.append(True)

    async def first_done() -> bool:
        return len(done) == 1

    async def second_done() -> bool:
        return len(done) == 2

    stop, task = await running(office.worker(doing(work)))
    await enqueue(office, "work")
    await until(first_done)
    other, watcher = [await asyncpg.connect(office.urls.admin) for _ in range(2)]

    async def cancelled() -> Any:
        return await watcher.fetchval(
            "SELECT bool_or(pg_cancel_backend(pid)) FROM pg_stat_activity "
            "WHERE usename = 'moocflix_archive' AND wait_event_type = 'Lock'"
        )

    async with other.transaction():
        await enqueue(office, "work")
        await other.execute("LOCK TABLE archive.jobs")
        await until(cancelled)
    await until(second_done)
    for connection in (other, watcher):
        await connection.close()
    stop.set()
    await task
