"""What is old is pruned; what may still be needed is not."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from moocflix.platform import jobs, retention
from tests.platform.post_office import PostOffice, archive


async def prune(office: PostOffice) -> None:
    async with office.database("archive", size=1).transaction() as tx:
        await jobs.enqueue(tx, retention.PRUNE)
    await office.settle(archive())


async def count(office: PostOffice, table: str) -> Any:
    return await office.database("archive", size=1).reader.fetchval(f"SELECT count(*) FROM {table}")


async def test_events_go_after_their_days_and_the_inbox_remembers_longer(office: PostOffice) -> None:
    async with office.database("archive").transaction() as tx:
        for days in (0, 20, 40, 70):
            await tx.execute(
                "INSERT INTO outbox (id, topic, key, subject, time, data) "
                "VALUES ($1, 't', 'k', 'k', clock_timestamp() - $2::interval, '{}')",
                uuid4(), timedelta(days=days),
            )  # fmt: skip
            await tx.execute(
                "INSERT INTO inbox (message_id, source, topic, time) "
                "VALUES ($1, 's', 't', clock_timestamp() - $2::interval)",
                uuid4(), timedelta(days=days),
            )  # fmt: skip
    await prune(office)
    assert (await count(office, "outbox"), await count(office, "inbox")) == (2, 3)


async def test_finished_jobs_go_and_dead_ones_stay(office: PostOffice) -> None:
    async with office.database("archive").transaction() as tx:
        for status in ("done", "dead"):
            await tx.execute(
                "INSERT INTO jobs (id, name, status, finished_at) VALUES ($1, 'work', $2, now() - interval '40 days')",
                uuid4(), status,
            )  # fmt: skip
    await prune(office)
    assert await count(office, "jobs WHERE name = 'work'") == 1
