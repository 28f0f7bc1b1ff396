"""A service that is down, or hangs, takes with it what needs it, for as long as it lasts, and nothing else."""

import asyncio
import os
import signal
import time
from typing import Any
from uuid import uuid4

import httpx

from moocflix.platform.client import TIME_LIMIT
from tests.distributed.conftest import Spread
from tests.distributed.frozen import frozen
from tests.journeys.conftest import eventually
from tests.journeys.test_first_course import data_of, sign_up

COURSE = {
    "title": "Knots", "description": "For sailors.", "category": "Crafts", "difficulty": "Beginner", "price": 0,
    "currency": "EUR", "status": "published",
}  # fmt: skip


async def unavailable(http: httpx.AsyncClient, path: str, headers: dict[str, str] | None = None) -> None:
    """It is refused in time, as a part that is down, with a word on when to come again."""
    begun = time.monotonic()
    response = await http.get(path, headers=headers)
    assert response.status_code == 503, response.text
    assert time.monotonic() - begun < 17
    assert int(response.headers["retry-after"]) >= 1
    assert response.json()["error"]["errorCode"] == 503


async def answers(http: httpx.AsyncClient, path: str, headers: dict[str, str] | None = None) -> httpx.Response | None:
    response = await http.get(path, headers=headers)
    return response if response.status_code == 200 else None


async def test_every_process_is_ready_and_the_state_names_it(spread: Spread) -> None:
    state = spread.state
    assert {"users", "courses", "enrollments", "progress", "content"} <= state["processes"].keys()
    assert {"relay", "worker", "kafka", "postgres", "valkey", "s3", "gateway"} <= state["processes"].keys()
    assert len(set(state["postgres"].values())) == 5
    for name in state["postgres"]:
        async with httpx.AsyncClient(base_url=spread.address(name)) as service:
            assert (await service.get("/health/ready")).json()["status"] == "ready"
            assert (await service.get("/internal/revocations")).status_code == 404


async def test_a_service_that_hangs_takes_nothing_else_with_it(spread: Spread, http: httpx.AsyncClient) -> None:
    learner = await sign_up(http, "student")
    with frozen(spread.pid("courses")):
        await unavailable(http, "/api/v1/courses")
        assert (await http.get("/api/v1/users/profile", headers=learner)).status_code == 200
        assert (await http.get("/api/enrollments", headers=learner)).status_code == 200
        # What this learner has no enrolment in needs the course, which nobody can tell of.
        await unavailable(http, f"/api/v1/courses/{uuid4()}/modules")
        assert (await http.get("/health/ready")).status_code == 200
    await eventually(lambda: answers(http, "/api/v1/courses"), seconds=30)


async def test_who_has_to_ask_a_service_that_hangs_is_told_to_come_again(
    spread: Spread, http: httpx.AsyncClient
) -> None:
    teacher, first, second = [await sign_up(http, role) for role in ("instructor", "student", "student")]
    course_id = data_of(await http.post("/api/v1/courses", json=COURSE, headers=teacher))["courseId"]

    async def enroll(course: Any, learner: dict[str, str]) -> httpx.Response:
        return await http.post(f"/api/v1/courses/{course}/enroll", headers=learner)

    async def known() -> bool | None:
        return (await enroll(course_id, first)).status_code in {201, 409} or None

    async def asked() -> bool | None:
        return (await enroll(uuid4(), second)).status_code == 404 or None

    await eventually(known, seconds=30)
    with frozen(spread.pid("courses")):
        # Enrollments has a copy of this course; of one that it has never heard of it asks.
        assert (await enroll(course_id, second)).status_code == 201
        refused = await asyncio.gather(*(enroll(uuid4(), second) for _ in range(5)))
        assert [response.status_code for response in refused] == [503] * 5
        assert all(int(response.headers["retry-after"]) >= 1 for response in refused)
        begun = time.monotonic()
        assert (await enroll(uuid4(), second)).status_code == 503
        assert time.monotonic() - begun < TIME_LIMIT, "it was asked again, though it did not answer five times"
        assert (await enroll(course_id, first)).status_code == 409
    await eventually(asked, seconds=30)


async def test_tokens_count_while_the_users_service_hangs(spread: Spread, http: httpx.AsyncClient) -> None:
    learner = await sign_up(http, "student")
    with frozen(spread.pid("users")):
        await unavailable(http, "/api/v1/users/profile", learner)
        assert (await http.get("/api/enrollments", headers=learner)).status_code == 200
        assert (await http.get("/api/v1/courses", headers=learner)).status_code == 200
    await eventually(lambda: answers(http, "/api/v1/users/profile", learner), seconds=30)


async def test_a_killed_service_comes_back_under_another_pid(spread: Spread, http: httpx.AsyncClient) -> None:
    teacher = await sign_up(http, "instructor")
    before = spread.pid("courses")
    os.kill(before, signal.SIGKILL)

    async def made() -> Any:
        response = await http.post("/api/v1/courses", json=COURSE, headers=teacher)
        return data_of(response) if response.status_code == 201 else None

    course_id = (await eventually(made, seconds=60))["courseId"]
    after = spread.pid("courses")
    assert after != before
    os.kill(after, 0)
    await eventually(lambda: answers(http, f"/api/v1/courses/{course_id}"))


async def test_what_others_run_is_started_again_too(spread: Spread, http: httpx.AsyncClient) -> None:
    learner = await sign_up(http, "student")
    for name in ("valkey", "s3", "relay", "worker", "kafka", "postgres", "gateway"):
        before = spread.pid(name)
        os.kill(before, signal.SIGKILL)

        async def back(name: str = name, before: int = before) -> bool | None:
            return (spread.state["processes"].get(name, {}).get("pid", before) != before) or None

        await eventually(back, seconds=60)

    async def whole() -> bool | None:
        try:
            return (await http.get("/api/v1/users/profile", headers=learner)).status_code == 200 or None
        except httpx.HTTPError:
            await asyncio.sleep(0.2)
            return None

    await eventually(whole, seconds=60)


async def test_an_ended_session_is_refused_by_every_service_within_five_seconds(http: httpx.AsyncClient) -> None:
    learner = await sign_up(http, "student")
    assert (await http.get("/api/enrollments", headers=learner)).status_code == 200
    assert (await http.post("/api/v1/users/logout", headers=learner)).status_code == 200
    ended = time.monotonic()

    async def refused() -> bool | None:
        return (await http.get("/api/enrollments", headers=learner)).status_code == 401 or None

    await eventually(refused, seconds=10)
    assert time.monotonic() - ended < 5
