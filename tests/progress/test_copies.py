"""What progress keeps of other services' entities, and where it gets what is missing."""

from uuid import UUID

from moocflix.platform.events import copies
from moocflix.services.progress.service import service
from tests.factories.platform import TestPlatform, data_of
from tests.progress.conftest import Way


async def test_lost_copies_are_filled_from_their_owners(way: Way) -> None:
    data_of(await way.go(way.course.all_lessons[0], 1))
    database = way.platform.database("progress")
    async with database.transaction() as tx:
        await copies.start_anew(tx, service, owners={"courses", "enrollments"})
    await copies.want_all(service, way.platform.context("progress"))
    assert await database.reader.fetchval("SELECT max(version) FROM enrollments_copy") == 0
    await way.platform.settle()
    assert await database.reader.fetchval("SELECT min(version) FROM enrollments_copy") == 1
    assert await database.reader.fetchval("SELECT min(version) FROM courses_copy") >= 1
    assert (await way.seen())["completedLessons"] == 1


async def test_a_lesson_newer_than_the_outline_is_asked_for_alone(way: Way) -> None:
    await way.seen()
    module = way.course.modules[0]
    late = await way.platform.lesson(way.course.owner, way.course.id, module)
    noted = data_of(await way.go((module, late), 1))
    assert (noted["completedLessons"], noted["totalLessons"]) == (1, 5)


async def test_an_owner_sees_progress_before_their_courses_event_is_here(platform: TestPlatform) -> None:
    course = await platform.course()
    learner, stranger = await platform.person(), await platform.person(role="instructor")
    async with platform.database("progress").transaction() as tx:
        await tx.execute("UPDATE courses_copy SET version = 0, instructor_id = NULL")
    data = data_of(await learner.post(f"/api/v1/courses/{course.id}/enroll"))
    path = f"/api/progress/{UUID(data['enrollmentId'])}"
    assert (await stranger.get(path)).status_code == 404
    assert data_of(await course.owner.get(path))["totalLessons"] == 1
