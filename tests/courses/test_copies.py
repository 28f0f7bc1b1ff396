"""What courses keeps of other services' entities, and what it does without them."""

import pytest

from moocflix.platform import intents
from moocflix.platform.errors import Unavailable
from moocflix.platform.events import copies
from moocflix.platform.ids import new_id
from moocflix.services.courses import clients
from moocflix.services.courses.course.model import Viewer
from moocflix.services.courses.deletion.model import Deletion
from moocflix.services.courses.deletion.operations import DELETE_COURSE
from moocflix.services.courses.service import service
from tests.factories.courses import alone, path_of, published
from tests.factories.platform import TestPlatform, data_of


async def count(platform: TestPlatform, table: str) -> int:
    number: int = await platform.database("courses").reader.fetchval(f"SELECT count(*) FROM {table}")
    return number


async def test_an_instructor_is_known_from_the_first_course_on(platform: TestPlatform) -> None:
    teacher = await platform.person(role="instructor", name="Jane Smith")
    assert await count(platform, "instructors") == 0
    await platform.course(owner=teacher)
    assert await platform.database("courses").reader.fetchval("SELECT name FROM instructors") == "Jane Smith"


async def test_students_are_not_kept(platform: TestPlatform) -> None:
    await platform.person(role="student")
    await platform.person(role="instructor")
    await platform.settle()
    assert await count(platform, "instructors") == 1


async def test_lost_copies_are_filled_from_their_owners(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    enrollment_id = await platform.enrollment(learner, course)
    async with platform.database("courses").transaction() as tx:
        await tx.execute("DELETE FROM enrollments")
        await tx.execute("UPDATE course_figures SET student_count = 0")
        await tx.execute("UPDATE instructors SET name = 'Stale', version = 0")
        await tx.execute("DELETE FROM copies")
    await copies.want_all(service, platform.context("courses"))
    await platform.settle()
    details = data_of(await learner.get(path_of(course.id)))
    assert (details["instructor"], details["studentCount"]) == (course.owner.name, 1)
    assert await platform.database("courses").reader.fetchval("SELECT id FROM enrollments") == enrollment_id


async def test_one_enrolment_is_fetched_by_its_id(platform: TestPlatform) -> None:
    course = await platform.course()
    enrollment_id = await platform.enrollment(await platform.person(), course)
    context = platform.context("courses")
    assert await copies.fill(service, context, "enrollment", enrollment_id)
    assert not await copies.fill(service, context, "enrollment", new_id())
    assert data_of(await course.owner.get(path_of(course.id)))["studentCount"] == 1


async def test_while_enrollments_is_away_nobody_new_sees_what_lessons_teach(platform: TestPlatform) -> None:
    context = alone(platform)
    await clients.set_up(context)
    assert not await clients.is_enrolled(context, Viewer(new_id()), course_id=new_id())


async def test_a_deletion_waits_for_enrollments_to_come_back(platform: TestPlatform) -> None:
    course = await platform.course()
    deletion = Deletion(
        course_id=course.id,
        deletion_id=new_id(),
        viewer_id=course.owner.id,
        is_admin=False,
        force=False,
        versions=None,
    )
    with pytest.raises(Unavailable):
        await intents.run(alone(platform), DELETE_COURSE, deletion.payload(), intent_id=deletion.deletion_id)
    assert (await course.owner.get(path_of(course.id))).status_code == 200
    assert (await course.owner.put(path_of(course.id), {"title": "New"})).status_code == 409
    assert (await course.owner.delete(path_of(course.id))).status_code == 200
    assert len(await published(platform, "Course-Deletion")) == 1
