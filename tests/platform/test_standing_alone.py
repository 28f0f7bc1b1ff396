"""A process that something else starts: how it says that it lives, and how it ends."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest

from moocflix.entrypoints.process import alive
from moocflix.entrypoints.services import SERVICES
from moocflix.entrypoints.work import Lags
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.errors import Unavailable
from moocflix.platform.events.broker import Broker, Waiting
from moocflix.platform.events.envelope import Topic
from moocflix.platform.events.groups import topics_by_source
from moocflix.platform.local_servers.child import free_port
from moocflix.platform.metrics import Metrics
from moocflix.platform.migrations import migrate
from moocflix.platform.settings import PlatformSettings, Settings, SettingsError
from tests.databases import in_database

OVER_A_BROKER = {"MOOCFLIX_EVENTS_BUS": "kafka", "MOOCFLIX_KAFKA_SERVERS": "127.0.0.1:9"}


@pytest.fixture(scope="module")
async def own_urls(urls: DatabaseUrls) -> DatabaseUrls:
    """A database of their own: a worker makes timetables, has copies filled, and has groups for itself."""
    own = in_database(urls, f"alone_{uuid4().hex}")
    await migrate(own, SERVICES)
    return own


@asynccontextmanager
async def started(
    command: str, settings: Settings, urls: DatabaseUrls, **variables: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("MOOCFLIX_")}
    told = {
        "MOOCFLIX_CONFIG": os.devnull,
        "MOOCFLIX_DATA": str(settings.of(PlatformSettings).data),
        "MOOCFLIX_DATABASE_URL": urls.admin,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "moocflix", command, env={**bare, **told, **variables}, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def answered(url: str, process: asyncio.subprocess.Process, fits: Callable[[int], bool]) -> None:
    async with asyncio.timeout(120), httpx.AsyncClient() as http:
        while True:
            assert process.returncode is None
            try:
                if fits((await http.get(url)).status_code):
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("command", "port", "variables"),
    [
        ("serve", "MOOCFLIX_HTTP_PORT", {"MOOCFLIX_INTERNAL_PORT": ""}),
        ("work", "MOOCFLIX_HEALTH_PORT", {}),
        ("relay", "MOOCFLIX_HEALTH_PORT", OVER_A_BROKER),
    ],
)
async def test_it_says_that_it_lives_and_ends_well_when_told_to(
    settings: Settings, own_urls: DatabaseUrls, command: str, port: str, variables: dict[str, str]
) -> None:
    ports = {name: str(free_port()) for name in (port, *(name for name, value in variables.items() if not value))}
    async with started(command, settings, own_urls, **{**variables, **ports}) as process:
        await answered(f"http://127.0.0.1:{ports[port]}/health/live", process, lambda status: status == 200)
        process.terminate()
        said = await process.communicate()
    assert process.returncode == 0, said


async def test_only_that_is_answered_and_anything_else_closes_the_connection() -> None:
    port = free_port()
    async with alive(Settings({"MOOCFLIX_HEALTH_PORT": str(port)}, {})), httpx.AsyncClient() as http:
        assert (await http.get(f"http://127.0.0.1:{port}/health/live")).status_code == 200
        assert (await http.get(f"http://127.0.0.1:{port}/health/ready")).status_code == 404
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 100_000)
        with suppress(ConnectionError):  # a reset, as what was sent has not been read
            assert await reader.read() == b""
        writer.close()
        with pytest.raises(SettingsError, match=rf"Port {port} of 127.0.0.1 \(health.port\) cannot be used"):
            async with alive(Settings({"MOOCFLIX_HEALTH_PORT": str(port)}, {})):
                pass
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize(("known", "status"), [("all", 200), ("nothing at the moment", 503), ("not to them", 404)])
async def test_numbers_are_shown_only_to_whom_they_are_for_and_while_they_are_known(known: str, status: int) -> None:
    port, asking = free_port(), []

    async def shown(address: str) -> Metrics | None:
        asking.append(address)
        if known == "nothing at the moment":
            raise Unavailable
        metrics = Metrics()
        metrics.gauge("consumer_lag", "Behind.", 7, group="courses")
        return metrics if known == "all" else None

    async with (
        alive(Settings({"MOOCFLIX_HEALTH_PORT": str(port)}, {}), metrics=shown),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
    ):
        assert (await http.get("/health/live")).text == ""
        answer = await http.get("/metrics")
    assert (answer.status_code, asking) == (status, ["127.0.0.1"])
    assert ('moocflix_consumer_lag{group="courses"} 7.0' in answer.text) == (known == "all")


async def test_a_worker_says_how_far_its_groups_are_behind(settings: Settings, own_urls: DatabaseUrls) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    port = url.rpartition(":")[2]
    async with started("work", settings, own_urls, MOOCFLIX_HEALTH_PORT=port) as process:
        await answered(f"{url}/metrics", process, lambda status: status == 200)
        async with httpx.AsyncClient() as http:
            text = (await http.get(f"{url}/metrics")).text
        for service in SERVICES:
            for source in topics_by_source(service):
                assert f'moocflix_consumer_lag{{group="{service.name}",source="{source}"}}' in text


class HoldsSeven:
    """A broker where seven messages wait for each group."""

    async def waiting(self, group: str, topics: Sequence[Topic[Any]]) -> list[Waiting]:
        return [Waiting(group, topics[0].name, 7)]


async def test_over_a_broker_it_says_what_that_holds_for_them() -> None:
    metrics = await Lags(SERVICES, {}, {}, cast("Broker", HoldsSeven())).metrics()
    lines = [line for line in metrics.text()[0].decode().splitlines() if line.startswith("moocflix_consumer_lag{")]
    assert len(lines) == sum(bool(service.reactions) for service in SERVICES)
    assert 'moocflix_consumer_lag{group="courses",source="User-Creation"} 7.0' in lines
