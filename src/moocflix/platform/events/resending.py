"""Rewinding a group that consumes over a broker: what it is to read again is sent out of the outboxes to it alone."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from moocflix.platform import leases
from moocflix.platform.database.transaction import Database
from moocflix.platform.events import copies
from moocflix.platform.events.broker import Broker, topics_of_group
from moocflix.platform.events.groups import forget, oldest_after, to_rewind
from moocflix.platform.events.inbox import LEASE
from moocflix.platform.events.outboxes import Fetches
from moocflix.platform.events.postgres import OutboxReader, Position, since
from moocflix.platform.ids import new_id
from moocflix.platform.service import Service

_BATCH = 500


async def rewind(
    service: Service,
    database: Database,
    outboxes: Mapping[str, Fetches],
    broker: Broker,
    *,
    time: datetime | None,
    sources: Collection[str] | None = None,
) -> list[str]:
    """Have the group get again what its sources (all, or these) published from `time` on; which did so.

    As far as the outboxes reach. First the group forgets, in one transaction, then everything is sent: where sending
    ends halfway, rewind again. Raises NotRewindable, NotFollowed or Unavailable.
    """
    chosen = to_rewind(service, sources)
    begin = datetime.min.replace(tzinfo=UTC) if time is None else time
    starts = {name: await since(outboxes[name], source=name, time=begin) for name in chosen}
    await broker.prepare((), {service.name: topics_of_group(service.reactions)})
    async with database.transaction() as tx:
        await leases.seize(tx, LEASE, holder=new_id())
        for name, start in starts.items():
            await forget(tx, name, await oldest_after(outboxes[name], name, start.last_seq))
        await copies.start_anew(tx, service, owners=chosen)
        tx.wake()
    for name, start in starts.items():
        # Looked at anew: what was published and handled since the first look has been forgotten, too.
        now = await since(outboxes[name], source=name, time=begin)
        reader = OutboxReader(outboxes[name], source=name, topics=chosen[name], batch=_BATCH)
        await _send(reader, replace(now, last_seq=min(start.last_seq, now.last_seq)), service.name, broker)
    return list(chosen)


async def _send(reader: OutboxReader, position: Position, group: str, broker: Broker) -> None:
    """All that the position's snapshot sees; later events come by themselves."""
    while position.new is not None:
        batch = await reader.read(position)
        await broker.resend(group, batch.messages)
        position = batch.position
