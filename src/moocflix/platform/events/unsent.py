"""What an outbox holds that the relay has not sent yet; asked with the service's own login."""

from dataclasses import dataclass
from datetime import UTC, datetime

from moocflix.platform.database.transaction import Reader
from moocflix.platform.events.postgres import BUCKET_OF_KEY, BUCKETS
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.service import ServiceContext

COUNT_LIMIT = 100_000
"""Where counting stops."""
_HEALTH_LIMIT = 1000

# Each branch begins where the bucket's relay has come to: the backlog and the history cost nothing.
_UNSENT = f"""
SELECT count(*) AS events, min(event.time) AS oldest
  FROM (SELECT number AS bucket, coalesce(old_snapshot, '1:1:') AS old_snapshot, new_snapshot, last_seq
          FROM generate_series(0, {BUCKETS - 1}) AS number LEFT JOIN relays ON bucket = number) AS relay
 CROSS JOIN LATERAL (
        (SELECT time FROM outbox
          WHERE relay.new_snapshot IS NOT NULL AND seq > relay.last_seq AND {BUCKET_OF_KEY} = relay.bucket
            AND NOT pg_visible_in_snapshot(xid, relay.old_snapshot)
          ORDER BY seq LIMIT $1)
        UNION ALL
        (SELECT time FROM outbox
          WHERE relay.new_snapshot IS NULL AND xid >= pg_snapshot_xmax(relay.old_snapshot)
            AND {BUCKET_OF_KEY} = relay.bucket
          ORDER BY xid, seq LIMIT $1)
        UNION ALL
        (SELECT late.time FROM pg_snapshot_xip(relay.old_snapshot) AS open (xid)
          CROSS JOIN LATERAL (SELECT time FROM outbox
                               WHERE outbox.xid = open.xid AND {BUCKET_OF_KEY} = relay.bucket
                                 AND relay.new_snapshot IS NULL) AS late
          LIMIT $1)
       ) AS event
"""  # noqa: S608 - constants of this package


@dataclass(frozen=True, slots=True)
class Unsent:
    """How many events wait for the relay, at most about COUNT_LIMIT, and since when."""

    events: int
    oldest: datetime | None

    @property
    def seconds(self) -> float:
        """The age of the oldest."""
        return 0.0 if self.oldest is None else max(0.0, (datetime.now(UTC) - self.oldest).total_seconds())


async def unsent(db: Reader, *, limit: int = COUNT_LIMIT) -> Unsent:
    """What waits in the service's outbox; with a `limit` of 1 only since when is right."""
    row = await db.fetchrow(_UNSENT, limit)
    return Unsent(0, None) if row is None else Unsent(row["events"], row["oldest"])


async def late(context: ServiceContext) -> str | None:
    """For the health of a process: how many events wait and since when, where that is too long."""
    reader = context.database.reader
    # Nearly always nothing is late, and then nothing need be counted.
    if (await unsent(reader, limit=1)).seconds <= context.settings.of(EventsSettings).relay_late_seconds:
        return None
    waiting = await unsent(reader, limit=_HEALTH_LIMIT)
    more = "at least " if waiting.events >= _HEALTH_LIMIT else ""
    return f"{more}{waiting.events} have waited to be sent, the oldest for {waiting.seconds:.0f} s"
