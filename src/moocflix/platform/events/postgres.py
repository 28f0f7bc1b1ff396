"""The log in PostgreSQL: a group reads a source's outbox by the difference of two snapshots.

`seq > last` would skip rows that commit out of order; waiting for all earlier transactions would let any open write
of the cluster hold up every event. So a group's position is a window: all that the new snapshot sees and the old one
did not, in order of `seq`. A writer takes the entity's row lock before its outbox row, so of two events of one key
the later has the higher `seq` and is never visible without the earlier one: each key stays in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from moocflix.platform.database.transaction import Reader
from moocflix.platform.errors import Unavailable
from moocflix.platform.events.envelope import Message
from moocflix.platform.events.outboxes import NOTHING, Fetches, schema_of

BUCKETS = 4
"""Into how many parts a relay divides an outbox, each in order by itself."""

# By a function that no version of PostgreSQL computes differently.
BUCKET_OF_KEY = f"(get_byte(sha256(convert_to(key, 'UTF8')), 0) % {BUCKETS})"

# How many rows a statement looks at for each that it may return.
_STRETCH = 5

_COLUMNS = "seq, id, topic, key, subject, time, correlation_id, traceparent, data::text AS data"

# The last transaction of whose events the statement sees one. What a restore left has ids of another cluster. Under
# the name xid the text would be what the rows are ordered by.
_LAST = """(SELECT xid::text AS last FROM {schema}.outbox WHERE xid < pg_snapshot_xmax(pg_current_snapshot())
          ORDER BY xid DESC, seq DESC LIMIT 1)"""

# Both parts follow the index on (xid, seq) and stop at the limit, however long the log and however old the oldest
# open transaction. What the statement sees is what its own snapshot sees.
_OPEN = """
SELECT window_end.snapshot::text AS snapshot, {last} AS last, event.*
  FROM (SELECT pg_current_snapshot() AS snapshot) AS window_end
  LEFT JOIN LATERAL (
        (SELECT {columns} FROM {schema}.outbox
          WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot) AND {wanted_2}
          ORDER BY xid, seq LIMIT $3)
        UNION ALL
        (SELECT event.* FROM pg_snapshot_xip($1::text::pg_snapshot) AS open (xid)
          CROSS JOIN LATERAL (SELECT {columns} FROM {schema}.outbox AS late
                               WHERE late.xid = open.xid AND {wanted_2}
                               ORDER BY seq LIMIT $3) AS event
          LIMIT $3)
       ) AS event ON true
"""

UNSEEN = """(xid >= pg_snapshot_xmax($1::text::pg_snapshot)
        OR xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot))))"""

# A bounded stretch of the log by number, and what of it belongs to the window: however rare that is, and whatever the
# planner knows of it, a statement looks at so many rows and no more.
_GO_ON = """
  WITH stretch AS MATERIALIZED (SELECT * FROM {schema}.outbox WHERE seq > $3 ORDER BY seq LIMIT $6),
       reach AS (SELECT max(seq) AS reached, count(*) < $6 AS ends FROM stretch)
SELECT reached, ends, event.*
  FROM reach
  LEFT JOIN LATERAL (SELECT {columns} FROM stretch
                      WHERE NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot)
                        AND pg_visible_in_snapshot(xid, $2::text::pg_snapshot)
                        AND {wanted_4}
                      ORDER BY seq LIMIT $5) AS event ON true
"""

# Two ranges of the index on (xid, seq): joined by OR they would be a filter over the whole of it. OFFSET 0 keeps the
# planner from walking the whole log in order of seq.
_FLOOR = """
SELECT coalesce(least(
        (SELECT min(seq)
           FROM (SELECT seq FROM {schema}.outbox
                  WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot) ORDER BY xid, seq OFFSET 0) AS later),
        (SELECT min(late.seq) FROM pg_snapshot_xip($1::text::pg_snapshot) AS open (xid)
          CROSS JOIN LATERAL (SELECT seq FROM {schema}.outbox AS event
                               WHERE event.xid = open.xid ORDER BY seq LIMIT 1) AS late)), 1) - 1 AS floor
"""

# For a rewind to a time, and for a group that starts late: what was written since, and what is still under way.
_SINCE = """
SELECT pg_current_snapshot()::text AS snapshot, {last} AS last,
       coalesce((SELECT min(seq) FROM {schema}.outbox WHERE time >= $1),
                (SELECT max(seq) + 1 FROM {schema}.outbox), 1) - 1 AS floor
"""

_LOAD = "SELECT source, old_snapshot::text, new_snapshot::text, last_seq FROM offsets"

# Refused (no row) once another holder has the lease: a late write must not undo a rewind.
_SAVE = """
INSERT INTO offsets AS kept (source, old_snapshot, new_snapshot, last_seq)
SELECT $3, $4::text::pg_snapshot, $5::text::pg_snapshot, $6
  FROM (SELECT FROM leases WHERE name = $1 AND token = $2 FOR SHARE) AS held
    ON CONFLICT (source) DO UPDATE
   SET old_snapshot = excluded.old_snapshot, new_snapshot = excluded.new_snapshot, last_seq = excluded.last_seq,
       updated_at = clock_timestamp()
RETURNING true
"""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a group has read: all that `old` sees, and of what `new` sees beyond it the rows up to `last_seq`."""

    old: str = NOTHING
    new: str | None = None
    last_seq: int = 0

    @classmethod
    def from_row(cls, row: Any) -> "Position":
        """A row of `offsets`."""
        return cls(row["old_snapshot"], row["new_snapshot"], row["last_seq"])


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages in order, the position once they are handled, and whether more may be waiting."""

    messages: Sequence[Message]
    position: Position
    more: bool


class PositionLost(Unavailable):
    """The position is of a cluster that is no more: what is written now would count as seen."""

    def __init__(self, source: str) -> None:
        super().__init__(f"The log of {source} was restored from a dump: run `moocflix events after-restore`.")


class OutboxReader:
    """One source's outbox, as one group reads it."""

    def __init__(
        self,
        outboxes: Fetches,
        *,
        source: str,
        topics: Sequence[str] | None = None,
        bucket: int | None = None,
        batch: int = 200,
        start: timedelta | None = None,
    ) -> None:
        """Reads events of these `topics`, or else those whose keys are in a `bucket`, or else all.

        A group that never read starts `start` ago (None: at the start).
        """
        self.source = source
        self._outboxes = outboxes
        wanted, self._wanted = _selection(topics, bucket)
        self._batch = batch
        self._start = start
        names = {
            "schema": schema_of(source), "last": _LAST.format(schema=schema_of(source)), "columns": _COLUMNS,
            "wanted_2": wanted.format(2), "wanted_4": wanted.format(4),
        }  # fmt: skip
        self._open = _OPEN.format(**names)
        self._go_on = _GO_ON.format(**names)
        self._floor = _FLOOR.format(**names)

    async def read(self, position: Position) -> Batch:
        """What comes after `position`. Raises Unavailable, and PositionLost."""
        if position.new is not None:
            return await self._within(position, position.new)
        rows = await self._outboxes.fetch(self._open, position.old, self._wanted, self._batch)
        if _end(rows[0]["snapshot"]) < _end(position.old):
            raise PositionLost(self.source)
        seen = _seen(rows[0])
        # One row without an event stands for none.
        found = sorted((row for row in rows if row["seq"] is not None), key=lambda row: row["seq"])
        if len(found) < self._batch:
            return Batch([self._message(row) for row in found], Position(seen), more=False)
        return await self._within(Position(position.old, seen, await self._below(position.old)), seen)

    async def beginning(self) -> Position:
        """Where a group that never read starts. Raises Unavailable."""
        if self._start is None:
            return Position()
        return await since(self._outboxes, source=self.source, time=datetime.now(UTC) - self._start)

    async def _within(self, position: Position, new: str) -> Batch:
        stretch = self._batch * _STRETCH
        rows = await self._outboxes.fetch(
            self._go_on, position.old, new, position.last_seq, self._wanted, self._batch, stretch
        )
        found = [row for row in rows if row["seq"] is not None]
        if len(found) == self._batch:
            after = Position(position.old, new, found[-1]["seq"])
        elif rows[0]["ends"]:
            after = Position(new)
        else:
            after = Position(position.old, new, rows[0]["reached"])
        return Batch([self._message(row) for row in found], after, more=True)

    async def _below(self, old: str) -> int:
        if old == NOTHING:
            return 0
        floor: int = (await self._outboxes.fetch(self._floor, old))[0]["floor"]
        return floor

    def _message(self, row: asyncpg.Record) -> Message:
        return Message(
            id=row["id"],
            topic=row["topic"],
            key=row["key"],
            subject=row["subject"],
            source=self.source,
            time=row["time"],
            data=row["data"].encode(),
            correlation_id=row["correlation_id"],
            traceparent=row["traceparent"],
        )


def _end(snapshot: str) -> int:
    """The first transaction id that nobody had when the snapshot was taken: it never falls (`xmin:xmax:…`)."""
    return int(snapshot.split(":")[1])


def _seen(row: Any) -> str:
    """All of the log that the snapshot sees, as one that ends with the last transaction of which it sees an event.

    A server that crashes may hand out the ids beyond once more. That one's commit is on its disk: it waited for that.
    """
    if row["last"] is None:
        return NOTHING
    xmin, _, under_way = row["snapshot"].split(":")
    end = int(row["last"]) + 1
    before = [xid for xid in under_way.split(",") if xid and int(xid) < end]
    return f"{min(int(xmin), end)}:{end}:{','.join(before)}"


def _selection(topics: Sequence[str] | None, bucket: int | None) -> tuple[str, list[Any]]:
    """The condition that an event of interest meets, with the place of its one argument left open."""
    if topics is not None:
        return "topic = ANY (${}::text[])", list(topics)
    if bucket is not None:
        return f"{BUCKET_OF_KEY} = ANY (${{}}::int[])", [bucket]
    return "${}::text[] IS NOT NULL", []


async def since(outboxes: Fetches, *, source: str, time: datetime) -> Position:
    """The position before all events from `time` on. Raises Unavailable."""
    schema = schema_of(source)
    row = (await outboxes.fetch(_SINCE.format(schema=schema, last=_LAST.format(schema=schema)), time))[0]
    return Position(NOTHING, _seen(row), row["floor"])


async def positions(db: Reader) -> dict[str, Position]:
    """The group's positions by source, in its own schema."""
    return {row["source"]: Position.from_row(row) for row in await db.fetch(_LOAD)}


async def save(db: Reader, position: Position, *, source: str, lease: str, token: int) -> bool:
    """Keep the position; False when the lease is another's by now."""
    kept = await db.fetchval(_SAVE, lease, token, source, position.old, position.new, position.last_seq)
    return kept is not None
