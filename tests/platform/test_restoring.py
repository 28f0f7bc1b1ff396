"""After a dump was restored, transaction ids are those of a cluster that is no more."""

from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID, uuid4

import asyncpg
import pytest

from moocflix.platform.events.broker import Parcel
from moocflix.platform.events.outboxes import Outboxes
from moocflix.platform.events.postgres import BUCKETS, PositionLost
from moocflix.platform.events.relay import BucketRelay, Sends
from moocflix.platform.events.restoring import reset_positions
from moocflix.platform.events.settings import EventsSettings
from tests.platform.post_office import SERVICES, PostOffice, archive, effects, settings_with
from tests.waiting import until

# Far ahead of this cluster's.
OLD = "900000000"


async def restored(office: PostOffice, *statements: str) -> None:
    """What stands in the tables as a dump leaves it."""
    connection = await asyncpg.connect(office.urls.owner_at(office.urls.admin))
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def test_after_a_restore_nothing_is_lost_and_nothing_happens_twice(office: PostOffice) -> None:
    book = uuid4()
    await office.publish(book, 1)
    await office.settle(archive())
    await office.publish(book, 2)
    await restored(
        office,
        f"UPDATE library.outbox SET xid = '{OLD}'",
        f"UPDATE archive.offsets SET old_snapshot = '{OLD}:{OLD}:'",
    )
    # Read from there, all that is written would count as seen.
    with pytest.raises(PositionLost, match="run `moocflix events after-restore`"):
        await office.settle(archive())
    await reset_positions(dict.fromkeys(SERVICES, office.urls.owner_at(office.urls.admin)))
    await office.publish(book, 3)
    await office.settle(archive())
    assert await effects(office) == [(book, 1), (book, 2), (book, 3)]


class Sent:
    """A broker that takes everything."""

    def __init__(self) -> None:
        self.keys: set[UUID] = set()

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        self.keys |= {UUID(parcel.message.key) for parcel in parcels}


async def begun_relays(outboxes: Outboxes, sender: Sends, *, lease_seconds: int) -> list[BucketRelay]:
    """The library's relays, which have begun before, and whose leases are anybody's."""
    settings = settings_with(events_lease_seconds=str(lease_seconds)).of(EventsSettings)
    relays = [
        BucketRelay(outboxes, sender, source="library", bucket=number, aliases={}, settings=settings)
        for number in range(BUCKETS)
    ]
    for relay in relays:
        await relay.step()
        await relay.leave()
    return relays


async def step(relays: list[BucketRelay]) -> None:
    """One step of each, as far as they know where they are."""
    for relay in relays:
        with suppress(PositionLost):
            await relay.step()


async def test_a_relay_that_runs_meanwhile_sends_what_was_not_sent(office: PostOffice, outboxes: Outboxes) -> None:
    book, sent = uuid4(), Sent()
    relays = await begun_relays(outboxes, sent, lease_seconds=5)
    await restored(office, f"UPDATE library.relays SET old_snapshot = '{OLD}:{OLD}:', new_snapshot = NULL")
    await office.publish(book, 1)

    async def all_sent() -> bool:
        await step(relays)
        return book in sent.keys

    assert not await all_sent()
    await reset_positions(dict.fromkeys(SERVICES, office.urls.owner_at(office.urls.admin)))
    await until(all_sent)


class SentMeanwhile:
    """One that takes so long that the positions are reset before it is done."""

    def __init__(self, office: PostOffice) -> None:
        self._office = office
        self.events: set[UUID] = set()

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        if not self.events:
            await reset_positions(dict.fromkeys(SERVICES, self._office.urls.owner_at(self._office.urls.admin)))
        self.events |= {parcel.message.id for parcel in parcels}


async def test_a_relay_in_the_middle_of_sending_does_not_undo_the_reset(office: PostOffice, outboxes: Outboxes) -> None:
    book, sent = uuid4(), SentMeanwhile(office)
    relays = await begun_relays(outboxes, sent, lease_seconds=60)
    await office.publish(book, 1)
    await restored(
        office,
        f"UPDATE library.outbox SET xid = '{OLD}'",
        f"UPDATE library.relays SET old_snapshot = '{OLD}:{OLD}:', new_snapshot = '{OLD}0:{OLD}0:'",
    )
    await office.publish(book, 2)

    async def all_sent() -> bool:
        await step(relays)
        return len(sent.events) == 2

    await until(all_sent)
