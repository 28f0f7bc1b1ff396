"""What the gateway says of the platform is true of all of it, whichever service answers."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import Any

import httpx

from tests.distributed.conftest import Spread
from tests.distributed.frozen import frozen
from tests.distributed.test_neighbours import COURSE
from tests.journeys.conftest import eventually
from tests.journeys.test_first_course import data_of, sign_up

SOUND = {"status": "ready", "degraded": []}


async def answers(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    """More than there are services: they come from each of them."""
    begun = time.monotonic()
    found = await asyncio.gather(*(http.get("/health/ready") for _ in range(20)))
    assert [response.status_code for response in found] == [200] * 20
    assert time.monotonic() - begun < 10
    return [response.json() for response in found]


async def sound(http: httpx.AsyncClient) -> bool | None:
    return all(answer == SOUND for answer in await answers(http)) or None


async def test_every_answer_names_the_events_that_wait_for_the_broker(spread: Spread, http: httpx.AsyncClient) -> None:
    teacher = await sign_up(http, "instructor")
    await eventually(lambda: sound(http), seconds=60)

    async def named() -> bool | None:
        each = [answer["degraded"] for answer in await answers(http)]
        return all(any("events of courses: 1 have waited" in part for part in parts) for parts in each) or None

    with frozen(spread.pid("kafka")):
        data_of(await http.post("/api/v1/courses", json=COURSE, headers=teacher))
        await eventually(named, seconds=60)
        async with httpx.AsyncClient() as directly:
            others = (await directly.get(f"{spread.address('progress')}/health/ready")).json()
        assert others == SOUND
    await eventually(lambda: sound(http), seconds=90)


async def test_a_service_that_hangs_is_named_by_the_others(spread: Spread, http: httpx.AsyncClient) -> None:
    async def named() -> bool | None:
        return all(answer["degraded"] == ["progress: does not answer"] for answer in await answers(http)) or None

    with frozen(spread.pid("progress")):
        await eventually(named, seconds=60)
    await eventually(lambda: sound(http), seconds=60)


async def test_what_waits_is_told_though_kafka_has_only_just_started(spread: Spread, http: httpx.AsyncClient) -> None:
    said: list[str] = []

    async def told() -> bool | None:
        command = [sys.executable, "-m", "moocflix", "events", "lag"]
        asked = await asyncio.to_thread(subprocess.run, command, env=spread.environ, capture_output=True, text=True)
        said.extend(asked.stderr.splitlines())
        return asked.returncode == 0 or None

    os.kill(spread.pid("kafka"), signal.SIGKILL)
    await eventually(told)
    # A start that takes longer than a command waits for has its sentence, too; the library's own lines have no place.
    assert not [
        line for line in said if "oordinator" in line or not line.startswith("moocflix: Kafka cannot be used: ")
    ]
    await eventually(lambda: sound(http), seconds=60)
