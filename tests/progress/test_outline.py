"""What counts, and what becomes of everybody's progress when that changes."""

from typing import Any
from uuid import UUID

from moocflix.contracts.courses import (
    COURSE_DELETION,
    LESSON_CREATION,
    LESSON_DELETED,
    LESSON_UPDATED,
    CourseDeleted,
    LessonDeleted,
    LessonState,
)
from moocflix.platform.events.envelope import Topic
from moocflix.platform.ids import new_id
from tests.factories.platform import TestPlatform, data_of
from tests.progress.conftest import SETTLED, Way, begin


async def set_status(way: Way, status: str, *, module: UUID, lesson: UUID | None = None) -> None:
    """As the course's owner does it, and what follows."""
    path = f"/api/v1/courses/{way.course.id}/modules/{module}"
    path += "" if lesson is None else f"/lessons/{lesson}"
    data_of(await way.course.owner.put(path, {"status": status}))
    await way.platform.settle(ahead=SETTLED)


async def test_only_published_lessons_of_published_modules_count(way: Way) -> None:
    first, second = way.course.modules
    await way.platform.lesson(way.course.owner, way.course.id, first, status="draft")
    await way.platform.settle()
    assert (await way.seen())["totalLessons"] == 4
    await set_status(way, "draft", module=second)
    assert (await way.seen())["totalLessons"] == 2


async def test_a_course_without_a_lesson_that_counts_is_never_complete(platform: TestPlatform) -> None:
    way = await begin(platform, await platform.course())
    ((module_id, lesson_id),) = way.course.all_lessons
    data_of(await way.go((module_id, lesson_id), 0.5))
    await set_status(way, "draft", module=module_id)
    noted = data_of(await way.go((module_id, lesson_id), 1))
    assert (noted["courseProgress"], noted["totalLessons"], noted["completedAt"]) == (0, 0, None)
    assert await way.told("Course-Completed") == []


async def test_progress_in_a_begun_lesson_that_does_not_count_is_kept_for_when_it_does(platform: TestPlatform) -> None:
    way = await begin(platform, await platform.course(lessons=2))
    first, second = way.course.all_lessons
    for lesson in (first, second):
        data_of(await way.go(lesson, 0.5))
    await set_status(way, "draft", module=second[0], lesson=second[1])
    assert data_of(await way.go(second, 1))["courseProgress"] == 0.5
    await set_status(way, "published", module=second[0], lesson=second[1])
    assert (await way.seen())["courseProgress"] == 0.75


async def test_withdrawing_the_last_open_lesson_completes_the_course(way: Way) -> None:
    *done, last = way.course.all_lessons
    for lesson in done:
        data_of(await way.go(lesson, 1))
    await set_status(way, "draft", module=last[0], lesson=last[1])
    assert len(await way.told("Course-Completed")) == 1
    enrollment = await way.enrollment()
    assert (enrollment["status"], enrollment["progress"]) == ("completed", 1)


async def test_a_new_lesson_moves_progress_back_but_completed_stays_completed(platform: TestPlatform) -> None:
    way = await begin(platform, await platform.course())
    data_of(await way.go(way.course.all_lessons[0], 1))
    assert (await way.enrollment())["status"] == "completed"
    late = await platform.lesson(way.course.owner, way.course.id, way.course.modules[0])
    enrollment = await way.enrollment()
    assert (enrollment["status"], enrollment["progress"]) == ("completed", 0.5)
    data_of(await way.go((way.course.modules[0], late), 1))
    assert len(await way.told("Course-Completed")) == 1
    assert (await way.enrollment())["progress"] == 1


async def test_nobody_begins_a_lesson_that_is_not_published(way: Way) -> None:
    first, second = way.course.modules
    draft = await way.platform.lesson(way.course.owner, way.course.id, first, status="draft")
    await set_status(way, "draft", module=second)
    for lesson in ((first, draft), (second, way.course.lessons[1][0])):
        response = await way.go(lesson, 1)
        assert response.status_code == 400, response.text
        assert [detail["field"] for detail in response.json()["error"]["details"]] == ["lessonId"]
    assert await way.told("Progress-Updated") == []
    assert (await way.enrollment())["currentLessonId"] is None


async def test_a_lesson_may_be_begun_before_the_event_of_its_publication(way: Way) -> None:
    first, second = way.course.modules
    draft = await way.platform.lesson(way.course.owner, way.course.id, first, status="draft")
    await set_status(way, "draft", module=second)
    path = f"/api/v1/courses/{way.course.id}/modules"
    data_of(await way.course.owner.put(f"{path}/{first}/lessons/{draft}", {"status": "published"}))
    data_of(await way.course.owner.put(f"{path}/{second}", {"status": "published"}))
    for lesson in ((first, draft), (second, way.course.lessons[1][0])):
        assert data_of(await way.go(lesson, 1))["progress"] == 1
    assert (await way.enrollment())["progress"] == 0.4


async def test_a_change_that_moves_nobody_tells_nobody(way: Way) -> None:
    data_of(await way.go(way.course.all_lessons[0], 1))
    path = f"/api/v1/courses/{way.course.id}/modules/{way.course.modules[0]}"
    data_of(await way.course.owner.put(path, {"title": "Another title"}))
    await way.platform.lesson(way.course.owner, way.course.id, way.course.modules[0], status="draft")
    await way.platform.settle(ahead=SETTLED)
    assert len(await way.told("Progress-Updated")) == 1
    jobs = await way.platform.database("progress").reader.fetchval(
        "SELECT count(*) FROM jobs WHERE name LIKE 'recount%'"
    )
    assert jobs == 0


async def test_who_is_away_is_counted_anew_when_they_come_back(way: Way) -> None:
    *done, last = way.course.all_lessons
    for lesson in done:
        data_of(await way.go(lesson, 1))
    data_of(await way.learner.delete(f"/api/enrollments/{way.enrollment_id}"))
    await set_status(way, "draft", module=last[0], lesson=last[1])
    assert await way.told("Course-Completed") == []
    data_of(await way.learner.post(f"/api/v1/courses/{way.course.id}/enroll"))
    assert (await way.enrollment())["status"] == "completed"


async def test_many_learners_are_counted_anew_in_batches(platform: TestPlatform) -> None:
    course = await platform.course(lessons=2)
    first, second = course.all_lessons
    ways = [await begin(platform, course) for _ in range(3)]
    for way in ways:
        data_of(await way.go(first, 1))
    await set_status(ways[0], "draft", module=second[0], lesson=second[1])
    for way in ways:
        assert len(await way.told("Course-Completed")) == 1


async def test_deleting_a_module_with_its_lessons_leaves_the_others(way: Way) -> None:
    first, second = way.course.modules
    for lesson in way.course.lessons[0]:
        data_of(await way.go((first, lesson), 1))
    data_of(await way.course.owner.delete(f"/api/v1/courses/{way.course.id}/modules/{second}"))
    assert (await way.enrollment())["status"] == "completed"
    assert (await way.go((second, way.course.lessons[1][0]), 1)).status_code == 400


async def test_deleting_a_course_completes_nobody_and_removes_their_progress(platform: TestPlatform) -> None:
    course = await platform.course(lessons=2)
    way = await begin(platform, course)
    data_of(await way.go(course.all_lessons[0], 1))
    admin = await platform.person(role="admin")
    data_of(await admin.delete(f"/api/v1/courses/{course.id}?force=true"))
    await platform.settle(ahead=SETTLED)
    assert await way.told("Course-Completed") == []
    left = await platform.database("progress").reader.fetchval("SELECT count(*) FROM lesson_progress")
    assert left == 0


async def say(platform: TestPlatform, topic: Topic[Any], payload: Any) -> None:
    async with platform.database("courses").transaction() as tx:
        tx.publish(topic, payload)
    await platform.settle()


def lesson_state(course_id: UUID, module_id: UUID, lesson_id: UUID, *, version: int, status: str) -> LessonState:
    return LessonState(
        version=version,
        lesson_id=lesson_id,
        module_id=module_id,
        course_id=course_id,
        title="Late",
        type="ARTICLE",
        order=9,
        status=status,  # type: ignore[arg-type]
        preview=False,
        video_id=None,
        assessment_id=None,
        duration=None,
    )


async def test_an_update_of_a_lesson_that_overtakes_its_creation_stays(way: Way) -> None:
    await way.seen()
    lesson_id, course_id, module_id = new_id(), way.course.id, way.course.modules[0]
    newer = lesson_state(course_id, module_id, lesson_id, version=2, status="published")
    await say(way.platform, LESSON_UPDATED, newer)
    assert (await way.seen())["totalLessons"] == 5
    older = lesson_state(course_id, module_id, lesson_id, version=1, status="draft")
    await say(way.platform, LESSON_CREATION, older)
    assert (await way.seen())["totalLessons"] == 5


async def test_a_deletion_that_overtakes_everything_is_final(way: Way) -> None:
    await way.seen()
    lesson_id, course_id, module_id = new_id(), way.course.id, new_id()
    gone = LessonDeleted(version=3, lesson_id=lesson_id, module_id=module_id, course_id=course_id)
    await say(way.platform, LESSON_DELETED, gone)
    late = lesson_state(course_id, way.course.modules[0], lesson_id, version=2, status="published")
    await say(way.platform, LESSON_UPDATED, late)
    assert (await way.seen())["totalLessons"] == 4


async def test_the_tombstone_of_an_unknown_course_is_kept(platform: TestPlatform) -> None:
    course_id = new_id()
    gone = CourseDeleted(version=3, course_id=course_id, instructor_id=new_id(), title="Gone")
    await say(platform, COURSE_DELETION, gone)
    deleted = await platform.database("progress").reader.fetchval(
        "SELECT deleted FROM courses_copy WHERE course_id = $1", course_id
    )
    assert deleted


async def test_an_outline_that_was_lost_is_fetched_whole_and_everybody_counted(way: Way) -> None:
    data_of(await way.go(way.course.all_lessons[0], 1))
    async with way.platform.database("progress").transaction() as tx:
        for table in ("outlines", "courses_copy", "lessons_copy", "enrollments_copy"):
            await tx.execute(f"UPDATE {table} SET version = 0")
    assert data_of(await way.go(way.course.all_lessons[1], 1))["courseProgress"] == 0.5
    assert (await way.seen())["completedLessons"] == 2
