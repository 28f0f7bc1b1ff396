"""How long the platform's own rows are kept: pruned in chunks, so that nobody waits for a long transaction."""

from collections.abc import Sequence
from datetime import timedelta

import structlog

from moocflix.platform.events.postgres import BUCKET_OF_KEY
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.service import Job, JobRun
from moocflix.platform.settings import JobsSettings

PRUNE = "platform.prune"

_CHUNK = 5000
_EVERY = timedelta(hours=1)
_IDEMPOTENCY = timedelta(hours=24)
_INTENTS = timedelta(days=30)

# The oldest rows are the first by number; the search ends where the first chunk holds none that is old enough.
_OUTBOX = """
DELETE FROM outbox
 WHERE seq IN (SELECT seq FROM (SELECT seq, time FROM outbox ORDER BY seq LIMIT $2) AS first
                WHERE time < clock_timestamp() - $1::interval)
"""

# Over a broker, however old: what the relay of its bucket has not come to stays.
_SENT = f"""
DELETE FROM outbox
 WHERE seq IN (SELECT first.seq
                 FROM (SELECT seq, xid, key, time FROM outbox ORDER BY seq LIMIT $2) AS first
                 JOIN relays ON relays.bucket = {BUCKET_OF_KEY}
                WHERE first.time < clock_timestamp() - $1::interval
                  AND (pg_visible_in_snapshot(first.xid, relays.old_snapshot)
                       OR coalesce(pg_visible_in_snapshot(first.xid, relays.new_snapshot)
                                   AND first.seq <= relays.last_seq, false)))
"""  # noqa: S608 - a constant of this package

# What was sent late was taken late, and may come again for as long after that. The index is on the events' time.
_INBOX = """
DELETE FROM inbox
 WHERE ctid = ANY (ARRAY(SELECT ctid FROM inbox
                          WHERE time < clock_timestamp() - $1::interval
                            AND taken_at < clock_timestamp() - $1::interval LIMIT $2))
"""

_JOBS = """
DELETE FROM jobs
 WHERE id IN (SELECT id FROM jobs WHERE status = 'done' AND finished_at < clock_timestamp() - $1::interval LIMIT $2)
"""

_INTENT_ROWS = """
DELETE FROM intents
 WHERE id IN (SELECT id FROM intents
               WHERE status IN ('finished', 'undone') AND finished_at < clock_timestamp() - $1::interval LIMIT $2)
"""

_ANSWERS = """
DELETE FROM idempotency_keys
 WHERE ctid = ANY (ARRAY(SELECT ctid FROM idempotency_keys
                          WHERE created_at < clock_timestamp() - $1::interval
                            AND (leased_until IS NULL OR leased_until < clock_timestamp()) LIMIT $2))
"""

_REVOCATIONS = """
DELETE FROM revocations
 WHERE number IN (SELECT number FROM revocations WHERE expires_at < clock_timestamp() - $1::interval LIMIT $2)
"""

_log = structlog.get_logger("moocflix.jobs")


def pruning() -> Job:
    """The job that prunes the platform's tables of one service."""
    return Job(name=PRUNE, run=prune, every=_EVERY)


async def prune(run: JobRun) -> None:
    """Delete what is older than it need be."""
    events = run.context.settings.of(EventsSettings)
    plan: Sequence[tuple[str, str, timedelta]] = (
        ("outbox", _OUTBOX if events.bus == "postgres" else _SENT, timedelta(days=events.outbox_days)),
        # Kept longer than any event that could come again.
        ("inbox", _INBOX, timedelta(days=max(events.inbox_days, events.outbox_days + 1))),
        ("jobs", _JOBS, timedelta(days=run.context.settings.of(JobsSettings).done_days)),
        ("intents", _INTENT_ROWS, _INTENTS),
        ("idempotency_keys", _ANSWERS, _IDEMPOTENCY),
        ("revocations", _REVOCATIONS, timedelta(hours=1)),
    )
    for table, sql, age in plan:
        gone = await _in_chunks(run, sql, age)
        if gone:
            _log.info("pruned", service=run.context.name, table=table, rows=gone)


async def _in_chunks(run: JobRun, sql: str, age: timedelta) -> int:
    gone = 0
    while True:
        async with run.context.database.transaction() as tx:
            chunk = await tx.execute(sql, age, _CHUNK)
        gone += chunk
        if chunk < _CHUNK:
            return gone
        await run.progress(0.0)
