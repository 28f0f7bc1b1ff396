"""Numbers about events and jobs, for `/metrics` and for the operator."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from moocflix.platform.database.transaction import Database
from moocflix.platform.errors import Unavailable
from moocflix.platform.events.broker import Waiting
from moocflix.platform.events.groups import Lag, lag, topics_by_source
from moocflix.platform.events.outboxes import Fetches
from moocflix.platform.events.unsent import Unsent
from moocflix.platform.metrics import Metrics
from moocflix.platform.service import Service, ServiceContext

# Partial indexes answer all but the counts of what should be few.
_OWN = """
SELECT (SELECT count(*) FROM dead_letters) AS dead_letters,
       (SELECT count(*) FROM retries) AS retries,
       (SELECT count(*) FROM jobs WHERE status = 'waiting') AS waiting,
       (SELECT count(*) FROM jobs WHERE status = 'running') AS running,
       (SELECT count(*) FROM jobs WHERE status = 'dead') AS dead,
       (SELECT min(run_at) FROM jobs WHERE status = 'waiting' AND run_at < clock_timestamp()) AS oldest_due,
       (SELECT count(*) FROM copies WHERE status <> 'filled') AS copies
"""


async def set_gauges(
    metrics: Metrics,
    services: Sequence[Service],
    contexts: Mapping[str, ServiceContext],
    outboxes: Mapping[str, Fetches],
    *,
    platform: Sequence[Service],
) -> None:
    """Set the numbers of these services, which are all or some of the platform's; what is away has none.

    `outboxes` are by source and read as role bus.
    """
    lags: list[Lag] = []
    for service in services:
        database = contexts[service.name].database
        with suppress(Unavailable):
            _set_own(metrics, service.name, await database.reader.fetchrow(_OWN))
            lags += await set_lag(metrics, service, database, outboxes)
    for source in outboxes:
        behind = [one for one in lags if one.source == source]
        # How far others have read is theirs to know: with one of them missing, nothing can be said of all.
        if {one.group for one in behind} == {one.name for one in platform if source in topics_by_source(one)}:
            depth = max((one.waiting for one in behind), default=0)
            _set_waiting(metrics, source, depth, max((one.seconds for one in behind), default=0.0))


async def set_lag(metrics: Metrics, service: Service, database: Database, outboxes: Mapping[str, Fetches]) -> list[Lag]:
    """How far the service's group is behind each of these sources. Raises Unavailable."""
    lags = await lag(service, database, outboxes)
    for one in lags:
        labels = {"group": one.group, "source": one.source}
        metrics.gauge("consumer_lag", "Events that a group has not read, at most 100000.", one.waiting, **labels)
        metrics.gauge("consumer_lag_seconds", "Age of the oldest event not read.", one.seconds, **labels)
    return lags


def set_waiting(metrics: Metrics, waiting: Sequence[Waiting]) -> None:
    """Over a broker: what it holds for groups, at each of their addresses."""
    for one in waiting:
        metrics.gauge("consumer_lag", "Messages that wait for a group at the broker.", one.messages,
                      group=one.group, source=one.address)  # fmt: skip


def set_outbox(metrics: Metrics, source: str, waiting: Unsent) -> None:
    """Over a broker: what the relay has not sent."""
    _set_waiting(metrics, source, waiting.events, waiting.seconds)


def _set_waiting(metrics: Metrics, source: str, depth: int, age: float) -> None:
    metrics.gauge("outbox_depth", "Events that the relay, or without a broker some group, has not read.", depth,
                  service=source)  # fmt: skip
    metrics.gauge("outbox_age_seconds", "Age of the oldest of these.", age, service=source)


def _set_own(metrics: Metrics, name: str, row: Any) -> None:
    metrics.gauge("dead_letters", "Messages that failed for good.", row["dead_letters"], group=name)
    metrics.gauge("retries", "Messages that wait for another try.", row["retries"], group=name)
    metrics.gauge("copies_unfilled", "Copies of others' entities still being filled.", row["copies"], service=name)
    for status in ("waiting", "running", "dead"):
        metrics.gauge("jobs", "Jobs by status.", row[status], service=name, status=status)
    oldest = row["oldest_due"]
    late = 0.0 if oldest is None else max(0.0, (datetime.now(UTC) - oldest).total_seconds())
    metrics.gauge("jobs_late_seconds", "For how long the most overdue job waits.", late, service=name)
