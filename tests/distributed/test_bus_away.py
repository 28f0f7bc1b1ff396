"""A broker that is away: people notice nothing, operators are told, and nothing is lost."""

import re

import httpx
import pytest

from tests.distributed.brokered import Brokered, courses, known_to_enrollments
from tests.journeys.test_first_course import data_of, sign_up
from tests.waiting import until

pytestmark = pytest.mark.parametrize("carrier", ["kafka", "rabbitmq"], indirect=True)


async def test_requests_succeed_and_operators_see_what_waits_until_all_has_arrived(
    brokered: Brokered, web: httpx.AsyncClient
) -> None:
    async def degraded() -> list[str]:
        response = await web.get("/health/ready")
        assert (response.status_code, response.json()["status"]) == (200, "ready")
        return [part for part in response.json()["degraded"] if part.startswith("events of courses")]

    async def nothing_waits() -> bool:
        return 'moocflix_outbox_depth{service="courses"} 0.0' in (await web.get("/metrics")).text

    teacher = await sign_up(web, "instructor")
    known = await courses(web, 2, teacher)
    await until(lambda: known_to_enrollments(brokered, known))
    # The relay marks what it has sent after its consumers may have it.
    await until(nothing_waits)
    brokered.server.kill()
    try:
        made = await courses(web, 12, teacher)
        for course_id in made[6:]:
            path = f"/api/v1/courses/{course_id}"
            assert data_of(await web.put(path, json={"title": "Bends"}, headers=teacher))["courseId"] == course_id
        await until(degraded)
        (said,) = await degraded()
        assert re.fullmatch(r"events of courses: 18 have waited to be sent, the oldest for \d+ s", said)
        metrics = (await web.get("/metrics")).text
        assert 'moocflix_outbox_depth{service="courses"} 18.0' in metrics
        age = re.search(r'^moocflix_outbox_age_seconds\{service="courses"\} (.+)$', metrics, re.MULTILINE)
        assert age is not None
        assert float(age[1]) > 1
        assert not await known_to_enrollments(brokered, made[:1])
    finally:
        brokered.server.start()
    await until(lambda: known_to_enrollments(brokered, made[:6]), seconds=90)
    await until(lambda: known_to_enrollments(brokered, made[6:], title="Bends"), seconds=90)

    async def sound() -> bool:
        return not await degraded()

    await until(sound)
    assert await nothing_waits()
