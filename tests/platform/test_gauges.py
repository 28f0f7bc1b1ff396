"""What `/metrics` says about events and jobs."""

import os
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from moocflix.entrypoints.runtime import Runtime
from moocflix.entrypoints.services import SERVICES
from moocflix.platform import jobs
from moocflix.platform.database.pool import Pool
from moocflix.platform.database.transaction import Database, Tx
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.events.envelope import Message
from moocflix.platform.events.outboxes import Outboxes
from moocflix.platform.gauges import set_gauges
from moocflix.platform.metrics import Metrics
from moocflix.platform.service import Reaction
from moocflix.platform.settings import PlatformSettings, Settings, load
from tests.platform.post_office import BOOK_UPDATE, BookState, PostOffice, archive


async def refuse(_tx: Tx, _book: BookState, _message: Message) -> None:
    raise RuntimeError


async def test_depth_lag_dead_letters_and_jobs_are_numbers(office: PostOffice, outboxes: Outboxes) -> None:
    service = archive(reactions=(Reaction(topic=BOOK_UPDATE, run=refuse),))
    await office.publish(uuid4(), 1)
    await office.settle(service, ahead=timedelta(hours=1))
    for version in (1, 2):
        await office.publish(uuid4(), version)
    async with office.database("archive").transaction() as tx:
        await jobs.enqueue(tx, "work")
    metrics = Metrics()
    contexts = {"archive": office.context("archive")}
    await set_gauges(metrics, [service], contexts, {"library": outboxes}, platform=[service])
    text = metrics.text()[0].decode()
    assert 'moocflix_outbox_depth{service="library"} 2.0' in text
    assert 'moocflix_consumer_lag{group="archive",source="library"} 2.0' in text
    assert 'moocflix_dead_letters{group="archive"} 1.0' in text
    assert 'moocflix_jobs{service="archive",status="waiting"} 1.0' in text


async def test_an_outbox_has_a_number_only_where_every_group_that_reads_it_is_known(
    office: PostOffice, outboxes: Outboxes
) -> None:
    await office.publish(uuid4(), 1)
    library = replace(archive(), name="library", reactions=())
    contexts = {"library": office.context("library")}
    for platform, shown in (([library, archive()], False), ([library], True)):
        metrics = Metrics()
        await set_gauges(metrics, [library], contexts, {"library": outboxes}, platform=platform)
        assert ('moocflix_outbox_depth{service="library"} 0.0' in metrics.text()[0].decode()) == shown


async def test_what_is_away_takes_no_other_numbers_along(office: PostOffice, outboxes: Outboxes) -> None:
    away = Database(Pool("postgresql://moocflix@127.0.0.1:1/moocflix", size=1), source="stranger")
    contexts = {"stranger": replace(office.context("stranger"), database=away), "archive": office.context("archive")}
    services = [replace(archive(), name="stranger"), archive()]
    metrics = Metrics()
    await set_gauges(metrics, services, contexts, {"library": outboxes}, platform=services)
    text = metrics.text()[0].decode()
    assert 'moocflix_consumer_lag{group="archive",source="library"} 0.0' in text
    assert "stranger" not in text
    # How far that one has read, nobody knows.
    assert "outbox_depth" not in text


def test_what_was_known_once_is_not_shown_as_if_it_were_now() -> None:
    metrics = Metrics()
    metrics.gauge("consumer_lag", "Behind.", 7, group="archive")
    metrics.forget_gauges()
    metrics.gauge("outbox_depth", "Waiting.", 1, service="library")
    text = metrics.text()[0].decode()
    assert ("consumer_lag" in text, 'moocflix_outbox_depth{service="library"} 1.0' in text) == (False, True)


@pytest.mark.parametrize(
    ("bus_kind", "names", "shown"),
    [
        ("postgres", [service.name for service in SERVICES], [service.name for service in SERVICES]),
        ("kafka", [service.name for service in SERVICES], [service.name for service in SERVICES]),
        ("kafka", ["users"], ["users"]),
        ("postgres", ["users"], []),
    ],
)
async def test_a_server_says_what_waits_in_its_outboxes_where_it_can_know(
    settings: Settings, urls: DatabaseUrls, bus_kind: str, names: list[str], shown: list[str]
) -> None:
    data = str(settings.of(PlatformSettings).data)
    environ = {"MOOCFLIX_DATA": data, "MOOCFLIX_CONFIG": os.devnull, "MOOCFLIX_EVENTS_BUS": bus_kind}
    services = [service for service in SERVICES if service.name in names]
    runtime = Runtime(load(environ=environ), services, urls, platform=SERVICES)
    await runtime.start(broadcasts=False)
    try:
        transport = httpx.ASGITransport(runtime.public)
        async with httpx.AsyncClient(transport=transport, base_url="http://platform") as http:
            lines = (await http.get("/metrics")).text.splitlines()
    finally:
        await runtime.stop()
    assert sum(line.startswith("moocflix_outbox_depth{") for line in lines) == len(shown)
    for name in shown:
        assert any(line.startswith(f'moocflix_outbox_depth{{service="{name}"}}') for line in lines)
