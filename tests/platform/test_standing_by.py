"""Who stands by while another has the lease asks for it now and then, however much news there is."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from time import monotonic
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from moocflix.platform import leases
from moocflix.platform.database.transaction import Reader
from moocflix.platform.events.broker import Broker, Parcel
from moocflix.platform.events.envelope import Topic
from moocflix.platform.events.inbox import LEASE
from moocflix.platform.events.outboxes import Outboxes
from moocflix.platform.events.postgres import BUCKETS
from moocflix.platform.events.relay import BucketRelay, Relay
from moocflix.platform.events.settings import EventsSettings
from tests.platform.post_office import SERVICES, PostOffice, archive, effects, running, settings_with
from tests.waiting import until

NEWS = 60


async def often(office: PostOffice) -> float:
    """News, again and again; how many seconds they took."""
    began = monotonic()
    for version in range(NEWS):
        await office.publish(uuid4(), version)
        await asyncio.sleep(0.02)
    return monotonic() - began


async def test_a_worker_that_stands_by_asks_for_the_lease_once_a_second_at_most(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes = 0
    take = leases.take

    async def counted(db: Reader, name: str, *, holder: UUID, seconds: float) -> int | None:
        nonlocal takes
        takes += name == LEASE
        return await take(db, name, holder=holder, seconds=seconds)

    other, reader = uuid4(), office.database("archive", size=1).reader
    await take(reader, LEASE, holder=other, seconds=60)
    settings = settings_with(events_lease_seconds="60")
    monkeypatch.setattr(leases, "take", counted)
    stop, task = await running(office.worker(archive(), settings=settings))
    seconds = await often(office)
    assert 0 < takes <= seconds + 2
    assert not await effects(office)
    # And it is there once the other has let go.
    await leases.release(reader, LEASE, holder=other)

    async def handled() -> bool:
        return len(await effects(office)) == NEWS

    await until(handled)
    stop.set()
    await task


async def test_a_lease_that_a_clock_gone_wrong_has_made_too_long_is_taken(office: PostOffice) -> None:
    reader = office.database("archive", size=1).reader
    await leases.take(reader, LEASE, holder=uuid4(), seconds=15)
    assert await leases.take(reader, LEASE, holder=uuid4(), seconds=15) is None
    await reader.fetch("UPDATE leases SET expires_at = expires_at + interval '1 h'")
    assert await leases.take(reader, LEASE, holder=uuid4(), seconds=15) is not None


class Taken(Outboxes):
    """Counts how often a relay asks for its buckets."""

    takes = 0

    async def fetch(self, sql: str, *args: Any) -> list[Any]:
        self.takes += ".relays AS held" in sql
        return await super().fetch(sql, *args)


class Takes:
    """A broker that takes everything."""

    def __init__(self) -> None:
        self.sent: set[UUID] = set()

    async def prepare(self, topics: Sequence[Topic[Any]], groups: Mapping[str, Sequence[Topic[Any]]]) -> None:
        pass

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        self.sent |= {parcel.message.id for parcel in parcels}

    async def close(self) -> None:
        pass


@pytest.fixture
async def held(office: PostOffice, outboxes: Outboxes) -> AsyncIterator[list[BucketRelay]]:
    """The library's buckets, in the hands of another relay."""
    settings = settings_with(events_lease_seconds="60").of(EventsSettings)
    relays = [
        BucketRelay(outboxes, Takes(), source="library", bucket=number, aliases={}, settings=settings)
        for number in range(BUCKETS)
    ]
    for relay in relays:
        await relay.step()
    yield relays
    for relay in relays:
        await relay.leave()


async def test_a_relay_that_stands_by_asks_for_each_bucket_once_a_second_at_most(
    office: PostOffice, held: list[BucketRelay]
) -> None:
    broker, outboxes = Takes(), Taken(office.urls.bus, services=SERVICES)
    relay = Relay(
        ["library"], {"library": outboxes}, cast("Broker", broker),
        topics=(), groups={}, settings=settings_with(events_lease_seconds="60").of(EventsSettings),
    )  # fmt: skip
    stop = asyncio.Event()
    task = asyncio.create_task(relay.run(stop))
    seconds = await often(office)
    assert 0 < outboxes.takes <= BUCKETS * (seconds + 2)
    assert not broker.sent
    for each in held:
        await each.leave()
    await office.publish(uuid4(), NEWS)

    async def all_sent() -> bool:
        return len(broker.sent) == NEWS + 1

    await until(all_sent)
    stop.set()
    await task


async def test_a_bucket_whose_lease_a_clock_gone_wrong_has_made_too_long_is_taken(
    office: PostOffice, outboxes: Outboxes, held: list[BucketRelay]
) -> None:
    settings = settings_with(events_lease_seconds="60").of(EventsSettings)
    other = BucketRelay(outboxes, Takes(), source="library", bucket=0, aliases={}, settings=settings)
    assert await other.step() is None
    await office.database("library", size=1).reader.fetch(
        "UPDATE relays SET expires_at = expires_at + interval '1 h' RETURNING 1"
    )
    assert await other.step() is not None
    await other.leave()
