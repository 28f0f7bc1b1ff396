"""What is old is pruned; what may still be needed is not."""

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

from moocflix.platform import jobs, retention
from moocflix.platform.events.broker import Parcel
from moocflix.platform.events.outboxes import Outboxes
from moocflix.platform.events.postgres import BUCKET_OF_KEY, BUCKETS
from moocflix.platform.events.relay import BucketRelay
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.service import JobRun
from tests.platform.post_office import PostOffice, archive, settings_with


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
                "INSERT INTO inbox (message_id, source, topic, time, taken_at) "
                "SELECT $1, 's', 't', time, time FROM (SELECT clock_timestamp() - $2::interval AS time) AS moment",
                uuid4(), timedelta(days=days),
            )  # fmt: skip
    await prune(office)
    assert (await count(office, "outbox"), await count(office, "inbox")) == (2, 3)


async def test_the_inbox_remembers_an_old_event_that_came_late(office: PostOffice) -> None:
    async with office.database("archive").transaction() as tx:
        await tx.execute(
            "INSERT INTO inbox (message_id, source, topic, time) "
            "VALUES ($1, 's', 't', clock_timestamp() - interval '400 days')",
            uuid4(),
        )
    await prune(office)
    assert await count(office, "inbox") == 1


async def test_finished_jobs_go_and_dead_ones_stay(office: PostOffice) -> None:
    async with office.database("archive").transaction() as tx:
        for status in ("done", "dead"):
            await tx.execute(
                "INSERT INTO jobs (id, name, status, finished_at) VALUES ($1, 'work', $2, now() - interval '40 days')",
                uuid4(), status,
            )  # fmt: skip
    await prune(office)
    assert await count(office, "jobs WHERE name = 'work'") == 1


async def test_an_ended_session_goes_once_its_tokens_have_expired_by_themselves(office: PostOffice) -> None:
    async with office.database("archive").transaction() as tx:
        for number, hours in enumerate((-1, 0.5, 2)):
            await tx.execute(
                "INSERT INTO revocations (number, session_id, expires_at) "
                "VALUES ($1, $2, clock_timestamp() - $3::interval)",
                number, uuid4(), timedelta(hours=hours),
            )  # fmt: skip
    await prune(office)
    assert [await count(office, f"revocations WHERE number = {number}") for number in range(3)] == [1, 1, 0]


class Sent:
    """A broker that takes everything."""

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        pass


async def test_an_event_stays_until_the_relay_has_sent_it_however_old_it_is(
    office: PostOffice, outboxes: Outboxes
) -> None:
    settings = settings_with(events_bus="kafka")
    run = cast("JobRun", SimpleNamespace(context=office.context("archive", settings=settings)))
    async with office.database("archive").transaction() as tx:
        for number in range(20):
            await tx.execute(
                "INSERT INTO outbox (id, topic, key, subject, time, data) "
                "VALUES ($1, 't', $2, $2, clock_timestamp() - interval '400 days', '{}')",
                uuid4(), f"key {number}",
            )  # fmt: skip
    await retention.prune(run)
    assert await count(office, "outbox") == 20
    sending = settings.of(EventsSettings)
    relays = [
        BucketRelay(outboxes, Sent(), source="archive", bucket=number, aliases={}, settings=sending)
        for number in range(BUCKETS)
    ]
    assert await relays[0].step() is not None
    await retention.prune(run)
    left = await count(office, "outbox")
    assert 0 < left < 20
    assert left == await count(office, f"outbox WHERE {BUCKET_OF_KEY} > 0")
    for relay in relays[1:]:
        await relay.step()
    await retention.prune(run)
    assert await count(office, "outbox") == 0
