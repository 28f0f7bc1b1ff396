"""What enrollments keeps of other services' entities."""

from moocflix.platform.events import copies
from moocflix.services.enrollments.service import service
from tests.factories.platform import TestPlatform, data_of


async def test_lost_copies_are_filled_from_their_owners(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    await platform.enrollment(learner, course)
    database = platform.database("enrollments")
    async with database.transaction() as tx:
        await copies.start_anew(tx, service, owners={"courses", "users"})
    await copies.want_all(service, platform.context("enrollments"))
    await platform.settle()
    for table in ("courses_copy", "users_copy"):
        assert await database.reader.fetchval(f"SELECT min(version) FROM {table}") >= 1
    (student,) = data_of(await course.owner.get(f"/api/v1/courses/{course.id}/students"))["students"]
    assert student["name"] == learner.name


async def test_an_admin_enrols_somebody_whose_event_is_still_on_its_way(platform: TestPlatform) -> None:
    course = await platform.course()
    admin, learner = await platform.person(role="admin"), await platform.person()
    body = {"courseId": str(course.id), "userId": str(learner.id)}
    assert (await admin.post("/api/enrollments/enroll", body)).status_code == 201


async def test_an_owner_sees_a_course_whose_event_is_still_on_its_way(platform: TestPlatform) -> None:
    course = await platform.course()
    async with platform.database("enrollments").transaction() as tx:
        await tx.execute("UPDATE courses_copy SET version = 0, instructor_id = NULL")
    assert data_of(await course.owner.get(f"/api/v1/courses/{course.id}/students"))["students"] == []
