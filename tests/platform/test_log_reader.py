"""Reading an outbox by the difference of two snapshots: complete, each key in order, and waiting for nobody."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from moocflix.platform.events.envelope import Message
from moocflix.platform.events.outboxes import Outboxes
from moocflix.platform.events.postgres import OutboxReader, Position, since
from tests.platform.post_office import BOOK_UPDATE, BookState, PostOffice

KEYS = [uuid4() for _ in range(20)]
INSERT = (
    "INSERT INTO outbox (id, topic, key, subject, correlation_id, traceparent, data) "
    "VALUES ($1, 'Book-Update', $2, $2, NULL, NULL, $3::text::jsonb)"
)


class Follower:
    """Reads on and on, and remembers."""

    def __init__(self, outboxes: Outboxes, *, batch: int = 200) -> None:
        self.reader = OutboxReader(outboxes, source="library", topics=["Book-Update"], batch=batch)
        self.position = Position()
        self.seen: list[Message] = []

    async def read(self) -> int:
        """Read until nothing more is said to be there; how many came."""
        before = len(self.seen)
        while True:
            batch = await self.reader.read(self.position)
            self.seen += batch.messages
            self.position = batch.position
            if not batch.more:
                return len(self.seen) - before

    def versions(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for message in self.seen:
            found[message.key].append(msgspec.json.decode(message.data, type=BookState).version)
        return found


@asynccontextmanager
async def stranger(office: PostOffice) -> AsyncIterator[None]:
    """Somebody in another schema who has written and does not commit."""
    connection = await asyncpg.connect(office.urls.service("stranger"))
    await connection.execute("BEGIN; INSERT INTO things VALUES (1)")
    yield
    await connection.close()


async def insert(connection: "asyncpg.Connection[asyncpg.Record]", key: UUID, version: int) -> UUID:
    event_id = uuid4()
    data = msgspec.json.encode(BookState(book_id=key, version=version, title="")).decode()
    await connection.execute(INSERT, event_id, str(key), data)
    return event_id


class Undone(Exception):
    """Thrown to roll back."""


def sometimes_undo(chance: random.Random) -> None:
    if chance.random() < 0.2:
        raise Undone


async def write(office: PostOffice, chance: random.Random, committed: set[UUID]) -> None:
    connection = await asyncpg.connect(office.urls.service("library"))
    for _ in range(60):
        ids = []
        try:
            async with connection.transaction():
                if chance.random() < 0.3:
                    await connection.execute("SELECT pg_current_xact_id()")
                    await asyncio.sleep(chance.random() * 0.02)
                for key in sorted(chance.sample(KEYS, chance.choice([1, 1, 2]))):
                    version = await connection.fetchval(
                        "UPDATE books SET version = version + 1 WHERE id = $1 RETURNING version", key
                    )
                    ids.append(await insert(connection, key, version))
                    await asyncio.sleep(chance.choice([0, 0, chance.random() * 0.01]))
                sometimes_undo(chance)
        except Undone:
            continue
        committed.update(ids)
    await connection.close()


async def write_beside(office: PostOffice, committed: set[UUID], follower: Follower) -> None:
    async with office.database("library").transaction() as tx:
        for key in KEYS:
            await tx.execute("INSERT INTO books (id, version) VALUES ($1, 0)", key)
    writers = asyncio.gather(*(write(office, random.Random(seed), committed) for seed in range(12)))
    while not writers.done():
        await follower.read()
        await asyncio.sleep(0.02)
    await writers


@pytest.mark.parametrize("batch", [20, 200])
async def test_twelve_writers_lose_nothing_and_reorder_no_key_beside_a_strangers_open_write(
    office: PostOffice, outboxes: Outboxes, batch: int
) -> None:
    follower, committed = Follower(outboxes, batch=batch), set[UUID]()
    async with stranger(office):
        await write_beside(office, committed, follower)
        # Nothing is late: all that is committed is there while the stranger's transaction is still open.
        await follower.read()
    ids = [message.id for message in follower.seen]
    assert len(ids) == len(set(ids))
    assert set(ids) == committed
    assert len(committed) > 500  # of some 720 transactions, a fifth of them undone
    for versions in follower.versions().values():
        assert versions == list(range(1, len(versions) + 1))


@pytest.mark.parametrize("reads_between", [True, False])
async def test_transaction_ids_that_oppose_the_order_of_the_writes_change_nothing(
    office: PostOffice, outboxes: Outboxes, *, reads_between: bool
) -> None:
    follower, key = Follower(outboxes), uuid4()
    early = await asyncpg.connect(office.urls.service("library"))
    late = await asyncpg.connect(office.urls.service("library"))
    await early.execute("BEGIN; SELECT pg_current_xact_id()")
    await follower.read()
    async with late.transaction():
        await insert(late, key, 1)
    if reads_between:
        assert await follower.read() == 1
    await insert(early, key, 2)
    await early.execute("COMMIT")
    await follower.read()
    assert follower.versions()[str(key)] == [1, 2]
    await early.close()
    await late.close()


async def test_a_row_that_commits_after_a_later_one_is_not_skipped(office: PostOffice, outboxes: Outboxes) -> None:
    follower = Follower(outboxes)
    slow = await asyncpg.connect(office.urls.service("library"))
    await slow.execute("BEGIN")
    first = await insert(slow, KEYS[0], 1)
    await office.publish(KEYS[1], 1)
    assert await follower.read() == 1
    await slow.execute("COMMIT")
    assert await follower.read() == 1
    assert follower.seen[-1].id == first
    await slow.close()


async def test_a_long_log_is_read_in_batches_from_any_point(office: PostOffice, outboxes: Outboxes) -> None:
    async with office.database("library").transaction() as tx:
        for version in range(1, 501):
            tx.publish(BOOK_UPDATE, BookState(book_id=KEYS[0], version=version, title=""))
    follower = Follower(outboxes, batch=60)
    first = await follower.reader.read(Position())
    assert [len(first.messages), first.more] == [60, True]
    await follower.read()
    assert follower.versions()[str(KEYS[0])] == list(range(1, 501))


async def test_batches_of_one_come_to_an_end(office: PostOffice, outboxes: Outboxes) -> None:
    follower = Follower(outboxes, batch=1)
    assert await follower.read() == 0
    for version in (1, 2):
        await office.publish(KEYS[0], version)
    assert await follower.read() == 2


async def test_a_batch_that_is_wide_again_after_a_first_window_starts_where_that_ended(
    office: PostOffice, outboxes: Outboxes
) -> None:
    follower = Follower(outboxes, batch=10)
    for many in (25, 35):
        async with office.database("library").transaction() as tx:
            for version in range(many):
                tx.publish(BOOK_UPDATE, BookState(book_id=KEYS[0], version=version, title=""))
        assert await follower.read() == many


async def test_other_topics_are_passed_over(office: PostOffice, outboxes: Outboxes) -> None:
    reader = OutboxReader(outboxes, source="library", topics=["Something-Else"])
    await office.publish(KEYS[0], 1)
    batch = await reader.read(Position())
    assert not batch.messages
    assert batch.position != Position()


async def test_a_position_by_time_lies_before_what_came_since(office: PostOffice, outboxes: Outboxes) -> None:
    await office.publish(KEYS[0], 1)
    moment = (await outboxes.fetch("SELECT clock_timestamp() AS now"))[0]["now"]
    await office.publish(KEYS[0], 2)
    follower = Follower(outboxes)
    follower.position = await since(outboxes, source="library", time=moment)
    await follower.read()
    assert follower.versions()[str(KEYS[0])] == [2]


async def test_a_position_ends_with_the_last_event_and_not_with_transactions_that_may_be_undone(
    office: PostOffice, outboxes: Outboxes
) -> None:
    follower = Follower(outboxes)
    await office.publish(KEYS[0], 1)
    await follower.read()
    before = follower.position
    async with stranger(office):
        await follower.read()
        position = await since(outboxes, source="library", time=datetime.now(UTC))
    assert follower.position == before
    assert position.new == before.old


async def looked_at(outboxes: Outboxes) -> int:
    """Rows of the library's outbox, or entries of its indexes, that statements have gone through so far."""
    await outboxes.fetch("SELECT pg_stat_force_next_flush()")
    rows = await outboxes.fetch(
        "SELECT seq_tup_read + (SELECT sum(idx_tup_read)::bigint FROM pg_stat_all_indexes AS index "
        "WHERE index.relid = rows.relid) AS number FROM pg_stat_all_tables AS rows "
        "WHERE schemaname = 'library' AND relname = 'outbox'"
    )
    number: int = rows[0]["number"]
    return number


async def test_a_window_costs_the_same_after_a_long_history(office: PostOffice, outboxes: Outboxes) -> None:
    admin = await asyncpg.connect(office.urls.admin)
    many = (
        "INSERT INTO library.outbox (id, topic, key, subject, data) "
        "SELECT gen_random_uuid(), 'Book-Update', number::text, '', '{}' FROM generate_series(1, $1::int) AS number"
    )
    await admin.execute(many, 20_000)
    await admin.execute("VACUUM ANALYZE library.outbox")
    position = Position(await admin.fetchval("SELECT pg_current_snapshot()::text"))
    await admin.execute(many, 300)
    await admin.close()
    before = await looked_at(outboxes)
    batch = await OutboxReader(outboxes, source="library", batch=100).read(position)
    assert (len(batch.messages), batch.more) == (100, True)
    assert await looked_at(outboxes) - before < 2000
