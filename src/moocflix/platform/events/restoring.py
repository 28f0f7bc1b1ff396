"""After a dump was restored, or rows moved into another database: nothing is skipped, nothing happens twice.

Positions name transaction ids, and those have died with the old cluster. Every event is given to a transaction of the
new one, and every position is set before it: groups read all events that are kept once more, a relay sends them once
more, and the inboxes take only what is new.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from moocflix.platform import leases
from moocflix.platform.database.connect import Connection, connect_for_command
from moocflix.platform.events.inbox import LEASE
from moocflix.platform.events.outboxes import schema_of
from moocflix.platform.ids import new_id


async def reset_positions(owners: Mapping[str, str]) -> None:
    """Have every event of these services count as new.

    `owners` has, for each service, the URL of its schema's owner. Begun again, or done twice, it does no harm, and a
    worker that runs meanwhile keeps nothing of what it has in hand.
    """
    before: dict[str, str] = {}
    for service, url in owners.items():
        async with _transaction(url, service) as connection:
            before[service] = await _reset_outbox(connection)
    for service, url in owners.items():
        async with _transaction(url, service) as connection:
            await _reset_offsets(connection, before)


@asynccontextmanager
async def _transaction(url: str, service: str) -> AsyncIterator[Connection]:
    """A fresh one, in the schema of the service."""
    connection = await connect_for_command(url)
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL search_path = {schema_of(service)}")
            yield connection
    finally:
        await connection.close()


async def _reset_outbox(connection: Connection) -> str:
    """Give all events to the present transaction, which has written nothing yet; the snapshot before it."""
    # Taken while this transaction has no id: one that has begun to write would count as seen.
    before: str = await connection.fetchval("SELECT pg_current_snapshot()::text")
    await connection.execute("UPDATE outbox SET xid = pg_current_xact_id()")
    # With another token, so that a relay that is sending meanwhile does not put its own position over this one.
    await connection.execute(
        "UPDATE relays SET old_snapshot = $1::text::pg_snapshot, new_snapshot = NULL, last_seq = 0, "
        "token = token + 1, expires_at = '-infinity'",
        before,
    )
    return before


async def _reset_offsets(connection: Connection, before: Mapping[str, str]) -> None:
    """Set the group's positions to these snapshots, by source."""
    await leases.seize(connection, LEASE, holder=new_id())
    await connection.execute(
        "UPDATE offsets AS kept SET old_snapshot = reset.snapshot::pg_snapshot, new_snapshot = NULL, last_seq = 0 "
        "FROM unnest($1::text[], $2::text[]) AS reset (source, snapshot) WHERE kept.source = reset.source",
        list(before),
        list(before.values()),
    )
