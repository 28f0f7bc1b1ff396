"""Closing a course for its deletion: nobody is in it, and nobody gets in after."""

import asyncio
import random
from typing import Any
from uuid import UUID

import pytest

from moocflix.contracts.courses import COURSE_DELETION, CourseDeleted
from moocflix.contracts.enrollments import CourseClosed
from moocflix.platform.errors import Conflict
from tests.factories.platform import TestPlatform, data_of


async def close(platform: TestPlatform, course_id: UUID, *, force: bool = False) -> int:
    """As the courses service does it; how many were taken out."""
    client = platform.context("courses").http("enrollments")
    closed = await client.post(f"/internal/courses/{course_id}/close", {"force": force}, reply=CourseClosed)
    return closed.unenrolled


async def reopen(platform: TestPlatform, course_id: UUID) -> None:
    client = platform.context("courses").http("enrollments")
    await client.post(f"/internal/courses/{course_id}/reopen", reply=CourseClosed)


async def active(platform: TestPlatform, course_id: UUID) -> int:
    count: int = await platform.database("enrollments").reader.fetchval(
        "SELECT count(*) FROM enrollments WHERE course_id = $1 AND status <> 'dropped'", course_id
    )
    return count


async def unenrolled(platform: TestPlatform) -> list[Any]:
    rows = await platform.database("enrollments").reader.fetch(
        "SELECT data FROM outbox WHERE topic = 'Student-Unenrolled' ORDER BY seq"
    )
    return [row["data"] for row in rows]


async def test_a_closed_course_lets_nobody_in_until_it_is_opened_again(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    for _ in range(2):
        assert await close(platform, course.id) == 0
    assert (await learner.post(f"/api/v1/courses/{course.id}/enroll")).status_code == 409
    for _ in range(2):
        await reopen(platform, course.id)
    assert (await learner.post(f"/api/v1/courses/{course.id}/enroll")).status_code == 201


async def test_a_course_with_a_student_stays_open(platform: TestPlatform) -> None:
    course = await platform.course()
    learner, other = await platform.person(), await platform.person()
    await platform.enrollment(learner, course)
    with pytest.raises(Conflict):
        await close(platform, course.id)
    assert (await other.post(f"/api/v1/courses/{course.id}/enroll")).status_code == 201


async def test_who_has_completed_counts_and_who_has_dropped_does_not(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    enrollment_id = await platform.enrollment(learner, course)
    ((module_id, lesson_id),) = course.all_lessons
    body = {"enrollmentId": str(enrollment_id), "moduleId": str(module_id), "lessonId": str(lesson_id), "progress": 1}
    data_of(await learner.post("/api/progress/update", body))
    await platform.settle()
    assert data_of(await learner.get(f"/api/enrollments/{enrollment_id}"))["status"] == "completed"
    with pytest.raises(Conflict):
        await close(platform, course.id)
    data_of(await learner.delete(f"/api/enrollments/{enrollment_id}"))
    assert await close(platform, course.id) == 0


async def test_force_takes_everybody_out_and_tells_of_each(platform: TestPlatform) -> None:
    course = await platform.course()
    learners = [await platform.person() for _ in range(3)]
    ids = {str(await platform.enrollment(learner, course)) for learner in learners}
    assert await close(platform, course.id, force=True) == 3
    assert await close(platform, course.id, force=True) == 0
    events = await unenrolled(platform)
    assert {event["enrollmentId"] for event in events} == ids
    assert [(event["version"], event["status"]) for event in events] == [(2, "dropped")] * 3
    assert (await learners[0].post(f"/api/v1/courses/{course.id}/enroll")).status_code == 409


async def test_an_enrolment_at_the_same_moment_comes_before_the_close_or_not_at_all(platform: TestPlatform) -> None:
    learner = await platform.person()
    owner = await platform.person(role="instructor")
    chance = random.Random(3)
    outcomes = set()
    for _ in range(40):
        course = await platform.course(owner=owner, modules=0)

        async def enrol(course_id: UUID = course.id, pause: float = chance.uniform(0, 0.02)) -> int:
            await asyncio.sleep(pause)
            return (await learner.post(f"/api/v1/courses/{course_id}/enroll")).status_code

        async def try_to_close(course_id: UUID = course.id, pause: float = chance.uniform(0, 0.02)) -> bool:
            await asyncio.sleep(pause)
            try:
                await close(platform, course_id)
            except Conflict:
                return False
            return True

        status, closed = await asyncio.gather(enrol(), try_to_close())
        assert (status, closed) in {(201, False), (409, True)}
        assert await active(platform, course.id) == (0 if closed else 1)
        outcomes.add(closed)
    assert outcomes == {True, False}


async def test_an_owner_deletes_only_an_empty_course_and_an_admin_any(platform: TestPlatform) -> None:
    course = await platform.course()
    learner, admin = await platform.person(), await platform.person(role="admin")
    await platform.enrollment(learner, course)
    assert (await course.owner.delete(f"/api/v1/courses/{course.id}")).status_code == 409
    data_of(await admin.delete(f"/api/v1/courses/{course.id}?force=true"))
    await platform.settle()
    assert len(await unenrolled(platform)) == 1
    assert data_of(await learner.get("/api/enrollments"))["enrollments"] == []
    assert (await learner.post(f"/api/v1/courses/{course.id}/enroll")).status_code == 404


async def test_the_deletion_of_a_course_that_was_not_closed_takes_everybody_out(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    enrollment_id = await platform.enrollment(learner, course)
    async with platform.database("courses").transaction() as tx:
        gone = CourseDeleted(version=9, course_id=course.id, instructor_id=course.owner.id, title="Gone")
        tx.publish(COURSE_DELETION, gone)
    await platform.settle()
    assert [event["enrollmentId"] for event in await unenrolled(platform)] == [str(enrollment_id)]
    count = await platform.database("enrollments").reader.fetchval("SELECT count(*) FROM enrollments")
    assert count == 0
