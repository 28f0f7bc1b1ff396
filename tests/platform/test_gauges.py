"""What `/metrics` says about events and jobs."""

from datetime import timedelta
from uuid import uuid4

from moocflix.platform import jobs
from moocflix.platform.database.transaction import Tx
from moocflix.platform.events.bus import Bus
from moocflix.platform.events.envelope import Message
from moocflix.platform.gauges import set_gauges
from moocflix.platform.metrics import Metrics
from moocflix.platform.service import Reaction
from tests.platform.post_office import BOOK_UPDATE, BookState, PostOffice, archive


async def refuse(_tx: Tx, _book: BookState, _message: Message) -> None:
    raise RuntimeError


async def test_depth_lag_dead_letters_and_jobs_are_numbers(office: PostOffice, bus: Bus) -> None:
    service = archive(reactions=(Reaction(topic=BOOK_UPDATE, run=refuse),))
    await office.publish(uuid4(), 1)
    await office.settle(service, ahead=timedelta(hours=1))
    for version in (1, 2):
        await office.publish(uuid4(), version)
    async with office.database("archive").transaction() as tx:
        await jobs.enqueue(tx, "work")
    metrics = Metrics()
    await set_gauges(metrics, [service], {"archive": office.context("archive")}, {"library": bus})
    text = metrics.text()[0].decode()
    assert 'moocflix_outbox_depth{service="library"} 2.0' in text
    assert 'moocflix_consumer_lag{group="archive",source="library"} 2.0' in text
    assert 'moocflix_dead_letters{group="archive"} 1.0' in text
    assert 'moocflix_jobs{service="archive",status="waiting"} 1.0' in text
