"""`moocflix up --workers 3`: what holds with one server process holds with three."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest

from moocflix.platform.local_servers.kafka import KafkaServer
from tests.distributed.test_neighbours import COURSE
from tests.journeys.conftest import Installation, eventually, free_port, wait_until_ready
from tests.journeys.test_first_course import data_of, sign_up

WORKERS = 3
LIMIT = 60


@pytest.fixture(scope="module")
def trio(kafka_server: KafkaServer) -> Iterator[Installation]:
    """Over Kafka, so that its events have to leave it."""
    folder = Path(tempfile.mkdtemp(prefix="moocflix-workers-"))
    folder.chmod(0o755)
    port = free_port()
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MOOCFLIX_")},
        "MOOCFLIX_PORT": str(port),
        "MOOCFLIX_DATA": str(folder / "data"),
        "MOOCFLIX_HTTP_API_LIMIT": str(LIMIT),
        "MOOCFLIX_HTTP_AUTH_LIMIT": "100000",
        "MOOCFLIX_EVENTS_BUS": "kafka",
        "MOOCFLIX_KAFKA_SERVERS": kafka_server.bootstrap_servers,
    }
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "moocflix", "up", "--workers", str(WORKERS)]
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(url, process)
        yield Installation(url, folder / "data", process, environ)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def servers(trio: Installation) -> list[psutil.Process]:
    """The processes that answer: below the first child, the server."""
    below = psutil.Process(trio.process.pid).children()
    server = next(child for child in below if child.cmdline()[-1:] == ["serve"])
    return [child for child in server.children() if _answers(child)]


def _answers(child: psutil.Process) -> bool:
    try:
        return "resource_tracker" not in " ".join(child.cmdline())
    except psutil.Error:
        # Killed, and not reaped yet.
        return False


async def anew(trio: Installation, method: str, path: str, **options: object) -> httpx.Response:
    """On a connection of its own, which any of the processes may take."""
    async with httpx.AsyncClient(base_url=trio.url, timeout=30, verify=False) as client:  # noqa: S501 - no TLS here
        return await client.request(method, path, **options)  # type: ignore[arg-type]


async def person(trio: Installation, role: str) -> dict[str, str]:
    async with httpx.AsyncClient(base_url=trio.url, timeout=30) as client:
        return await sign_up(client, role)


async def test_three_processes_share_the_port(trio: Installation) -> None:
    async def three() -> bool | None:
        return len(servers(trio)) >= WORKERS or None

    await eventually(three, seconds=30)


async def test_requests_are_counted_together(trio: Installation) -> None:
    learner = await person(trio, "student")
    began = time.monotonic()
    asked = [anew(trio, "GET", "/api/v1/users/profile", headers=learner) for _ in range(2 * LIMIT)]
    statuses = [response.status_code for response in await asyncio.gather(*asked)]
    # The allowance grows back evenly while the requests come in.
    grown = LIMIT * (time.monotonic() - began) / 60
    assert LIMIT <= statuses.count(200) <= LIMIT + grown + 1
    assert statuses.count(200) + statuses.count(429) == 2 * LIMIT


async def test_over_a_broker_its_events_leave_it(trio: Installation) -> None:
    teacher = await person(trio, "instructor")
    data_of(await anew(trio, "POST", "/api/v1/courses", json=COURSE, headers=teacher))

    async def sent() -> bool | None:
        return 'moocflix_outbox_depth{service="courses"} 0.0' in (await anew(trio, "GET", "/metrics")).text or None

    await eventually(sent, seconds=30)


async def test_everybody_reads_what_was_just_written(trio: Installation) -> None:
    teacher = await person(trio, "instructor")
    made = data_of(await anew(trio, "POST", "/api/v1/courses", json=COURSE, headers=teacher))
    path = f"/api/v1/courses/{made['courseId']}"
    readers = [await person(trio, "student") for _ in range(3)]
    for number in range(10):
        title = f"Knots {number}"
        assert (await anew(trio, "PUT", path, json={"title": title}, headers=teacher)).status_code == 200
        for reader in readers:
            assert data_of(await anew(trio, "GET", path, headers=reader))["title"] == title


async def test_a_key_is_answered_once_by_all(trio: Installation) -> None:
    teacher = await person(trio, "instructor")
    headers = {**teacher, "idempotency-key": str(uuid4())}
    asked = [anew(trio, "POST", "/api/v1/courses", json=COURSE, headers=headers) for _ in range(9)]
    answered = await asyncio.gather(*asked)
    assert {response.status_code for response in answered} <= {201, 409}
    assert len({json.dumps(response.json()["data"]) for response in answered if response.status_code == 201}) == 1


async def test_an_ended_session_is_refused_by_all_within_five_seconds(trio: Installation) -> None:
    learner = await person(trio, "student")
    assert (await anew(trio, "POST", "/api/v1/users/logout", headers=learner)).status_code == 200
    ended = time.monotonic()

    async def refused() -> bool | None:
        asked = [anew(trio, "GET", "/api/enrollments", headers=learner) for _ in range(6)]
        return all(response.status_code == 401 for response in await asyncio.gather(*asked)) or None

    await eventually(refused, seconds=10)
    assert time.monotonic() - ended < 5


async def test_one_that_is_killed_comes_back_while_the_others_serve(trio: Installation) -> None:
    before = servers(trio)
    before[0].kill()

    async def back() -> bool | None:
        now = servers(trio)
        return (len(now) >= WORKERS and before[0].pid not in {one.pid for one in now}) or None

    await eventually(back, seconds=30)
    assert (await anew(trio, "GET", "/health/ready")).status_code == 200


async def test_a_server_ends_when_told_while_one_of_its_processes_is_being_started(trio: Installation) -> None:
    before = servers(trio)
    server = before[0].parent()
    assert server is not None
    before[0].kill()

    async def forked() -> bool | None:
        return any(one.pid not in {old.pid for old in before} for one in servers(trio)) or None

    await eventually(forked, seconds=30)
    server.terminate()

    async def ended() -> bool | None:
        return not server.is_running() or None

    await eventually(ended, seconds=60)
