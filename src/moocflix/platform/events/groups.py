"""What an operator sees and does of consumer groups: how far behind they are, reading again."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from moocflix.platform import leases
from moocflix.platform.database.transaction import Database, Tx
from moocflix.platform.errors import Conflict, NotFound
from moocflix.platform.events import copies
from moocflix.platform.events.inbox import LEASE
from moocflix.platform.events.outboxes import NOTHING, Fetches, schema_of
from moocflix.platform.events.postgres import UNSEEN, Position, positions, since
from moocflix.platform.ids import new_id
from moocflix.platform.service import Service

_COUNT_LIMIT = 100_000

_WAITING = """
SELECT count(*) AS waiting, min(time) AS oldest
  FROM ((SELECT time, xid, seq FROM {schema}.outbox
          WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot) AND topic = ANY ($4::text[])
            AND NOT coalesce(pg_visible_in_snapshot(xid, $2::text::pg_snapshot) AND seq <= $3, false)
          ORDER BY xid, seq LIMIT {limit})
        UNION ALL
        (SELECT late.* FROM pg_snapshot_xip($1::text::pg_snapshot) AS open (xid)
          CROSS JOIN LATERAL (SELECT time, xid, seq FROM {schema}.outbox AS event
                               WHERE event.xid = open.xid AND topic = ANY ($4::text[])
                                 AND NOT coalesce(pg_visible_in_snapshot(xid, $2::text::pg_snapshot) AND seq <= $3,
                                                  false)
                               ORDER BY seq LIMIT {limit}) AS late)) AS unread
"""

_RETRIES = "SELECT count(*) AS waiting, min(time) AS oldest FROM retries"

# From the first row to be read again, or not read yet, on.
_FLOOR = """
SELECT least($5::bigint, coalesce(min(seq) - 1, $5::bigint)) AS floor
  FROM {schema}.outbox
 WHERE {unseen} AND topic = ANY ($4::text[])
   AND NOT coalesce(pg_visible_in_snapshot(xid, $2::text::pg_snapshot) AND seq <= $3, false)
"""

_FROM_TIME = "SELECT min(time) FROM {schema}.outbox WHERE seq > $1"

# What waits for another try, or is parked, stays where it is.
_FORGET = """
DELETE FROM inbox
 WHERE source = $1 AND time >= $2
   AND NOT EXISTS (SELECT FROM retries WHERE retries.message_id = inbox.message_id)
   AND NOT EXISTS (SELECT FROM dead_letters WHERE dead_letters.message_id = inbox.message_id)
"""

_MOVE = """
INSERT INTO offsets (source, old_snapshot, new_snapshot, last_seq)
VALUES ($1, $2::text::pg_snapshot, $3::text::pg_snapshot, $4)
    ON CONFLICT (source) DO UPDATE
   SET old_snapshot = excluded.old_snapshot, new_snapshot = excluded.new_snapshot, last_seq = excluded.last_seq,
       updated_at = clock_timestamp()
"""


class NotRewindable(Conflict):
    """The group's reactions act on more than its database."""

    def __init__(self, group: str) -> None:
        super().__init__(f"The group {group} has effects outside its database and cannot be rewound.")


class NotFollowed(NotFound):
    """The group is to read again what it never reads."""

    def __init__(self, group: str, sources: Iterable[str], *, followed: Iterable[str]) -> None:
        wrong, right = ", ".join(sorted(sources)) or "any service", ", ".join(followed) or "none"
        super().__init__(f"The group {group} does not read from {wrong}; it reads from {right}.")


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a group is behind a source, or its retries; `waiting` stops counting a source at 100,000."""

    group: str
    source: str
    waiting: int
    oldest: datetime | None

    @property
    def seconds(self) -> float:
        """The age of the oldest event that waits."""
        return 0.0 if self.oldest is None else max(0.0, (datetime.now(UTC) - self.oldest).total_seconds())


def topics_by_source(service: Service) -> dict[str, list[str]]:
    """What the service's group reads: topics by the service that publishes them."""
    found: dict[str, list[str]] = {}
    for reaction in service.reactions:
        names = found.setdefault(reaction.topic.source, [])
        if reaction.topic.name not in names:
            names.append(reaction.topic.name)
    return found


def to_rewind(service: Service, sources: Collection[str] | None) -> dict[str, list[str]]:
    """What the group reads from these sources, or from all. Raises NotRewindable and NotFollowed."""
    if not service.rewindable:
        raise NotRewindable(service.name)
    followed = topics_by_source(service)
    chosen = followed if sources is None else dict.fromkeys(sources)
    if not chosen or chosen.keys() - followed.keys():
        raise NotFollowed(service.name, chosen.keys() - followed.keys(), followed=followed)
    return {name: followed[name] for name in chosen}


async def lag(service: Service, database: Database, outboxes: Mapping[str, Fetches]) -> list[Lag]:
    """How far the service's group is behind each of its sources. `outboxes` are by source."""
    read = await positions(database.reader)
    found = []
    for source, topics in topics_by_source(service).items():
        if source not in outboxes:
            continue
        at = read.get(source, Position())
        sql = _WAITING.format(schema=schema_of(source), limit=_COUNT_LIMIT)
        row = (await outboxes[source].fetch(sql, at.old, at.new, at.last_seq, topics))[0]
        found.append(Lag(service.name, source, row["waiting"], row["oldest"]))
    return found


async def retrying(service: Service, database: Database) -> Lag:
    """What waits for another try, with all that waits behind it."""
    (row,) = await database.reader.fetch(_RETRIES)
    return Lag(service.name, "retries", row["waiting"], row["oldest"])


async def rewind(
    service: Service,
    database: Database,
    outboxes: Mapping[str, Fetches],
    *,
    time: datetime | None,
    sources: Collection[str] | None = None,
) -> list[str]:
    """Have the group read again what its sources (all, or these) published from `time` on; which were rewound.

    None means from the start of what is kept. In one transaction the group's lease is seized, so that what its
    worker has in hand is not kept, its inbox forgets, its copies go to version 0, and its positions move. Raises
    NotRewindable and NotFollowed.
    """
    chosen = to_rewind(service, sources)
    read = await positions(database.reader)
    targets = [
        await _target(outboxes[name], name, topics, read.get(name, Position()), time) for name, topics in chosen.items()
    ]
    async with database.transaction() as tx:
        await leases.seize(tx, LEASE, holder=new_id())
        for target in targets:
            await forget(tx, target.source, target.oldest)
            at = target.position
            await tx.execute(_MOVE, target.source, at.old, at.new, at.last_seq)
        await copies.start_anew(tx, service, owners=chosen)
        tx.wake()
    return list(chosen)


async def forget(tx: Tx, source: str, since: datetime | None) -> None:
    """Have the group's inbox forget what this source published from then on; None: nothing is there to forget."""
    if since is not None:
        await tx.execute(_FORGET, source, since)


async def oldest_after(outboxes: Fetches, source: str, seq: int) -> datetime | None:
    """When the first of the events behind this number was published. Raises Unavailable."""
    oldest: datetime | None = (await outboxes.fetch(_FROM_TIME.format(schema=schema_of(source)), seq))[0]["min"]
    return oldest


@dataclass(frozen=True, slots=True)
class _Target:
    source: str
    position: Position
    oldest: datetime | None


async def _target(
    outboxes: Fetches, source: str, topics: Sequence[str], read: Position, time: datetime | None
) -> _Target:
    """Where to go back to: never past what the group has not read yet."""
    begin = datetime.min.replace(tzinfo=UTC) if time is None else time
    wanted = await since(outboxes, source=source, time=begin)
    names = {"schema": schema_of(source), "unseen": UNSEEN}
    row = (
        await outboxes.fetch(_FLOOR.format(**names), read.old, read.new, read.last_seq, list(topics), wanted.last_seq)
    )[0]
    oldest = await oldest_after(outboxes, source, row["floor"])
    return _Target(source, Position(NOTHING, wanted.new, row["floor"]), oldest)
