"""The deletion of a course: only when nobody is enrolled, and wholly or not at all."""

import asyncio
from typing import Any

import pytest

from moocflix.platform.ids import new_id
from moocflix.services.courses.deletion import operations
from moocflix.services.courses.deletion.model import Deletion
from tests.factories.courses import anonymous, etag, path_of, published, statuses, strangers
from tests.factories.platform import Course, TestPlatform, data_of


@pytest.mark.parametrize("suffix", ["", "/delete"])
async def test_a_course_goes_with_all_that_is_in_it(platform: TestPlatform, suffix: str) -> None:
    course = await platform.course(modules=2, lessons=2)
    data_of(await course.owner.put(path_of(course.id), {"title": "Last title"}))
    answer = await course.owner.delete(path_of(course.id) + suffix)
    assert (answer.status_code, data_of(answer)["courseId"]) == (200, str(course.id))
    for path in (path_of(course.id), path_of(course.id, "modules"), f"/api/courses/{course.id}/structure"):
        assert (await course.owner.get(path)).status_code == 404
    (gone,) = await published(platform, "Course-Deletion")
    assert (gone["courseId"], gone["title"], gone["version"]) == (str(course.id), "Last title", 3)
    modules = await published(platform, "Module-Deleted")
    assert {(one["moduleId"], one["version"]) for one in modules} == {(str(id), 2) for id in course.modules}
    lessons = await published(platform, "Lesson-Deleted")
    assert {one["lessonId"] for one in lessons} == {str(lesson) for _, lesson in course.all_lessons}
    assert (await course.owner.delete(path_of(course.id))).status_code == 404


async def test_a_course_in_which_somebody_is_enrolled_stays(platform: TestPlatform) -> None:
    course = await platform.course()
    learner, late = await platform.person(), await platform.person()
    enrollment_id = await platform.enrollment(learner, course)
    assert (await course.owner.delete(path_of(course.id))).status_code == 409
    assert await published(platform, "Course-Deletion") == []
    data_of(await course.owner.put(path_of(course.id), {"title": "Still mine"}))
    assert len(data_of(await platform.http.get("/api/v1/courses"))["courses"]) == 1
    late_id = await platform.enrollment(late, course)
    for person, id in ((learner, enrollment_id), (late, late_id)):
        data_of(await person.delete(f"/api/enrollments/{id}"))
    assert (await course.owner.delete(path_of(course.id))).status_code == 200


async def test_an_admin_may_force_it(platform: TestPlatform) -> None:
    course = await platform.course()
    learner, admin = await platform.person(), await platform.person(role="admin")
    await platform.enrollment(learner, course)
    assert (await admin.delete(path_of(course.id))).status_code == 409
    assert (await admin.delete(path_of(course.id) + "?force=true")).status_code == 200
    await platform.settle()
    assert len(await published(platform, "Course-Deletion")) == 1
    assert data_of(await learner.get("/api/enrollments"))["enrollments"] == []
    assert (await learner.post(f"/api/v1/courses/{course.id}/enroll")).status_code == 404
    assert await platform.database("courses").reader.fetchval("SELECT count(*) FROM enrollments") == 0


async def test_force_is_nothing_to_anybody_but_an_admin(platform: TestPlatform) -> None:
    course, empty = await platform.course(), await platform.course()
    draft = await platform.course(owner=empty.owner, published=False)
    await platform.enrollment(await platform.person(), course)
    force = "?force=true"
    assert (await course.owner.delete(path_of(course.id) + force)).status_code == 409
    assert (await course.owner.delete(path_of(new_id()) + force)).status_code == 404
    assert (await course.owner.delete(path_of(draft.id) + force)).status_code == 404
    assert (await course.owner.delete(path_of(empty.id) + force)).status_code == 403
    assert (await empty.owner.delete(path_of(empty.id) + force)).status_code == 200


async def test_others_delete_nothing(platform: TestPlatform) -> None:
    course = await platform.course()
    others = await strangers(platform)
    for path in (path_of(course.id), path_of(course.id, "delete")):
        assert set((await statuses(others, "DELETE", path)).values()) == {403}
        assert (await anonymous(platform, "DELETE", path)).status_code == 401
    data_of(await course.owner.put(path_of(course.id), {"status": "draft"}))
    assert set((await statuses(others, "DELETE", path_of(course.id))).values()) == {404}
    assert (await course.owner.get(path_of(course.id))).status_code == 200
    assert (await course.owner.delete(path_of(course.id) + "?force=perhaps")).status_code == 400


async def test_a_deletion_of_what_was_read_long_ago_is_refused(platform: TestPlatform) -> None:
    course = await platform.course()
    data_of(await course.owner.put(path_of(course.id), {"title": "Changed"}))
    assert (await course.owner.delete(path_of(course.id), headers=etag(1))).status_code == 412
    assert (await course.owner.delete(path_of(course.id), headers=etag(2))).status_code == 200


async def test_of_many_deletions_at_once_one_does_it(platform: TestPlatform) -> None:
    course = await platform.course()
    answers = await asyncio.gather(*(course.owner.delete(path_of(course.id)) for _ in range(5)))
    seen = {answer.status_code for answer in answers}
    assert 200 in seen
    assert seen <= {200, 404, 409}
    assert len(await published(platform, "Course-Deletion")) == 1


async def test_either_the_learner_is_in_or_the_course_is_gone(platform: TestPlatform) -> None:
    for _ in range(4):
        course = await platform.course()
        learner = await platform.person()
        enrolment, deletion = await asyncio.gather(
            learner.post(f"/api/v1/courses/{course.id}/enroll"), course.owner.delete(path_of(course.id))
        )
        assert (enrolment.status_code, deletion.status_code) in {(201, 409), (404, 200), (409, 200)}
        await platform.settle()
        gone = (await course.owner.get(path_of(course.id))).status_code == 404
        assert gone is (deletion.status_code == 200)


async def begun(platform: TestPlatform, course: Course) -> None:
    """A deletion whose process has died after its first step."""
    deletion = Deletion(
        course_id=course.id,
        deletion_id=new_id(),
        viewer_id=course.owner.id,
        is_admin=False,
        force=False,
        versions=None,
    )

    async with platform.database("courses").transaction() as tx:
        await tx.execute(
            "INSERT INTO intents (id, name, payload) VALUES ($1, $2, $3)",
            deletion.deletion_id,
            operations.DELETE_COURSE.name,
            deletion.payload(),
        )
        await operations.start(tx, deletion.payload())


async def test_a_course_that_is_being_deleted_is_closed_to_changes_and_not_found(platform: TestPlatform) -> None:
    course = await platform.course(lessons=1)
    await begun(platform, course)
    title = {"title": "New", "type": "QUIZ"}
    module = path_of(course.id, "modules", course.modules[0])
    lesson = f"{module}/lessons/{course.lessons[0][0]}"
    calls: list[tuple[str, str, Any]] = [
        ("PUT", path_of(course.id), title),
        ("POST", path_of(course.id, "modules"), title),
        ("PUT", module, title),
        ("DELETE", module, None),
        ("POST", f"{module}/lessons", title),
        ("PUT", lesson, title),
        ("DELETE", lesson, None),
        ("PUT", path_of(course.id, "order"), {"modules": []}),
    ]
    for method, path, body in calls:
        assert await statuses({"owner": course.owner}, method, path, body) == {"owner": 409}, path
    assert data_of(await platform.http.get("/api/v1/courses"))["courses"] == []
    assert (await course.owner.get(path_of(course.id))).status_code == 200


async def test_a_deletion_that_died_is_gone_on_with(platform: TestPlatform) -> None:
    course = await platform.course()
    await begun(platform, course)
    assert set((await statuses(await strangers(platform), "DELETE", path_of(course.id))).values()) == {403}
    assert (await course.owner.delete(path_of(course.id))).status_code == 200
    assert len(await published(platform, "Course-Deletion")) == 1


async def test_a_deletion_that_died_and_is_refused_lets_the_course_live(platform: TestPlatform) -> None:
    course = await platform.course()
    await platform.enrollment(await platform.person(), course)
    await begun(platform, course)
    assert (await course.owner.delete(path_of(course.id))).status_code == 409
    data_of(await course.owner.put(path_of(course.id), {"title": "Alive"}))
    await platform.enrollment(await platform.person(), course)
    assert data_of(await course.owner.get(path_of(course.id)))["studentCount"] == 2
