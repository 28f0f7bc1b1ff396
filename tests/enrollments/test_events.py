"""What enrolments make of others' events, whatever order they come in."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from moocflix.contracts.courses import COURSE_CREATION, COURSE_DELETION, COURSE_UPDATE, CourseDeleted, CourseState
from moocflix.contracts.progress import COURSE_COMPLETED, PROGRESS_UPDATED, CourseCompleted, ProgressUpdated
from moocflix.contracts.users import USER_UPDATE, UserState
from moocflix.platform.events.envelope import Topic
from moocflix.platform.ids import new_id
from tests.factories.platform import TestPlatform, data_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def course_state(course_id: UUID, *, version: int, title: str, status: str = "published") -> CourseState:
    return CourseState(
        version=version,
        course_id=course_id,
        instructor_id=new_id(),
        title=title,
        description="",
        category="Science",
        difficulty="Beginner",
        price=0,  # type: ignore[arg-type]
        currency="USD",
        cover_image_url=None,
        tags=[],
        language="en",
        status=status,  # type: ignore[arg-type]
        created_at=NOW,
        updated_at=NOW,
    )


def progress_state(enrollment_id: UUID, *, version: int, progress: float, lesson_id: UUID) -> ProgressUpdated:
    return ProgressUpdated(
        version=version,
        enrollment_id=enrollment_id,
        user_id=new_id(),
        course_id=new_id(),
        module_id=new_id(),
        lesson_id=lesson_id,
        lesson_progress=1.0,
        time_spent=1,
        progress=progress,
        last_accessed=NOW,
    )


async def say(platform: TestPlatform, service: str, topic: Topic[Any], payload: Any) -> None:
    async with platform.database(service).transaction() as tx:
        tx.publish(topic, payload)
    await platform.settle()


async def copied(platform: TestPlatform, course_id: UUID) -> tuple[str, bool]:
    row = await platform.database("enrollments").reader.fetchrow(
        "SELECT title, deleted FROM courses_copy WHERE course_id = $1", course_id
    )
    assert row is not None
    return row["title"], row["deleted"]


async def test_an_update_that_overtakes_its_creation_stays(platform: TestPlatform) -> None:
    course_id = new_id()
    await say(platform, "courses", COURSE_UPDATE, course_state(course_id, version=2, title="New"))
    await say(platform, "courses", COURSE_CREATION, course_state(course_id, version=1, title="Old"))
    assert await copied(platform, course_id) == ("New", False)


async def test_a_deletion_that_overtakes_an_update_is_final(platform: TestPlatform) -> None:
    course_id = new_id()
    gone = CourseDeleted(version=3, course_id=course_id, instructor_id=new_id(), title="Gone")
    await say(platform, "courses", COURSE_DELETION, gone)
    await say(platform, "courses", COURSE_UPDATE, course_state(course_id, version=2, title="New"))
    assert await copied(platform, course_id) == ("Gone", True)
    learner = await platform.person()
    assert (await learner.post(f"/api/v1/courses/{course_id}/enroll")).status_code == 404


async def test_closed_outlives_a_later_state_of_the_course(platform: TestPlatform) -> None:
    course = await platform.course()
    async with platform.database("enrollments").transaction() as tx:
        await tx.execute("UPDATE courses_copy SET closed = true WHERE course_id = $1", course.id)
    data_of(await course.owner.put(f"/api/v1/courses/{course.id}", {"title": "Another title"}))
    await platform.settle()
    learner = await platform.person()
    assert (await learner.post(f"/api/v1/courses/{course.id}/enroll")).status_code == 409


async def test_an_older_progress_does_not_undo_a_newer(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    enrollment_id = await platform.enrollment(learner, course)
    newer, older = new_id(), new_id()
    state = progress_state(enrollment_id, version=7, progress=0.6667, lesson_id=newer)
    await say(platform, "progress", PROGRESS_UPDATED, state)
    state = progress_state(enrollment_id, version=6, progress=0.3333, lesson_id=older)
    await say(platform, "progress", PROGRESS_UPDATED, state)
    seen = data_of(await learner.get(f"/api/enrollments/{enrollment_id}"))
    assert (seen["progress"], seen["currentLessonId"]) == (0.6667, str(newer))


async def complete(platform: TestPlatform, enrollment_id: UUID, *, at: datetime = NOW) -> None:
    completed = CourseCompleted(
        version=1, enrollment_id=enrollment_id, user_id=new_id(), course_id=new_id(), completed_at=at
    )
    await say(platform, "progress", COURSE_COMPLETED, completed)


async def test_completion_happens_once_and_outlives_a_drop(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    enrollment_id = await platform.enrollment(learner, course)
    await complete(platform, enrollment_id)
    await complete(platform, enrollment_id, at=NOW + timedelta(hours=1))
    row = await platform.database("enrollments").reader.fetchrow("SELECT version, completed_at FROM enrollments")
    assert row is not None
    # The version counts what the copies are told of an enrolment, and of this they are told by Course-Completed.
    assert tuple(row) == (1, NOW)
    data_of(await learner.delete(f"/api/enrollments/{enrollment_id}"))
    assert data_of(await learner.post(f"/api/v1/courses/{course.id}/enroll"))["status"] == "completed"


async def test_who_drops_before_the_completion_is_known_is_completed_when_back(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    enrollment_id = await platform.enrollment(learner, course)
    data_of(await learner.delete(f"/api/enrollments/{enrollment_id}"))
    await complete(platform, enrollment_id)
    assert data_of(await learner.get(f"/api/enrollments/{enrollment_id}"))["status"] == "dropped"
    assert data_of(await learner.post(f"/api/v1/courses/{course.id}/enroll"))["status"] == "completed"


async def test_the_enrolments_of_a_person_who_was_erased_end_and_go(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    enrollment_id = await platform.enrollment(learner, course)
    erased = UserState(
        version=99,
        user_id=learner.id,
        username="",
        name="",
        avatar_url=None,
        role="student",
        state="erased",
        created_at=NOW,
    )
    await say(platform, "users", USER_UPDATE, erased)
    reader = platform.database("enrollments").reader
    assert await reader.fetchval("SELECT count(*) FROM enrollments") == 0
    told = await reader.fetchval("SELECT data ->> 'enrollmentId' FROM outbox WHERE topic = 'Student-Unenrolled'")
    assert told == str(enrollment_id)
