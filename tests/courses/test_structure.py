"""The structure of a course: what whom is shown."""

from typing import Any
from uuid import UUID

from moocflix.contracts.courses import CourseOutline, CoursePage, CourseState, LessonPage, ModulePage
from moocflix.contracts.enrollments import STUDENT_ENROLLED, STUDENT_UNENROLLED, EnrollmentState
from moocflix.platform.clock import utc_now
from moocflix.platform.ids import new_id
from tests.factories.courses import anonymous, outline, path_of, statuses, strangers
from tests.factories.platform import Course, Person, TestPlatform, data_of

PDF = {"type": "PDF", "url": "https://example.com/doc1.pdf", "content": "Read it."}


def path(course: Course) -> str:
    return f"/api/courses/{course.id}/structure"


def shown(structure: Any) -> list[bool]:
    """Of which lessons the url is shown."""
    return [lesson["url"] is not None for module in structure["modules"] for lesson in module["lessons"]]


async def with_lessons(platform: TestPlatform) -> Course:
    """A course of a PDF lesson and a preview."""
    course = await platform.course(lessons=0, title="Introduction to Python")
    await platform.lesson(course.owner, course.id, course.modules[0], **PDF)
    await platform.lesson(course.owner, course.id, course.modules[0], **PDF, preview=True)
    return course


async def test_it_looks_as_it_was_drawn(platform: TestPlatform) -> None:
    course = await platform.course(modules=2, lessons=0, title="Introduction to Python")
    lesson_id = await platform.lesson(course.owner, course.id, course.modules[0], title="Lesson 1", **PDF)
    structure = data_of(await course.owner.get(path(course)))
    assert (structure["courseId"], structure["title"], structure["access"]) == (
        str(course.id),
        "Introduction to Python",
        "whole",
    )
    first, second = structure["modules"]
    assert (first["id"], first["title"], first["order"]) == (str(course.modules[0]), "Module 1", 1)
    assert (second["order"], second["lessons"]) == (2, [])
    (lesson,) = first["lessons"]
    assert lesson == {
        "id": str(lesson_id),
        "title": "Lesson 1",
        **PDF,
        "order": 1,
        "status": "published",
        "preview": False,
        "duration": None,
        "videoId": None,
        "assessmentId": None,
        "version": 1,
    }


async def test_a_course_without_modules_has_an_empty_one(platform: TestPlatform) -> None:
    course = await platform.course(modules=0)
    assert data_of(await platform.http.get(path(course)))["modules"] == []


async def test_only_those_who_may_see_what_lessons_teach(platform: TestPlatform) -> None:
    course = await with_lessons(platform)
    learner = await platform.person()
    await platform.enrollment(learner, course)
    people = {"learner": learner, "owner": course.owner, "admin": await platform.person(role="admin")}
    for person in people.values():
        structure = data_of(await person.get(path(course)))
        assert (structure["access"], shown(structure)) == ("whole", [True, True])
    for person in (await strangers(platform)).values():
        structure = data_of(await person.get(path(course)))
        assert (structure["access"], shown(structure)) == ("preview", [False, True])
        assert [lesson["content"] for lesson in structure["modules"][0]["lessons"]] == [None, PDF["content"]]
    assert shown(data_of(await anonymous(platform, "GET", path(course)))) == [False, True]


async def test_its_etag_changes_with_all_that_it_shows(platform: TestPlatform) -> None:
    course = await platform.course(lessons=1)
    changes = [
        (path_of(course.id), {"title": "New"}),
        (path_of(course.id, "modules", course.modules[0]), {"title": "New"}),
        (path_of(course.id, "lessons", course.lessons[0][0]), {"content": "New"}),
    ]
    for changed, body in changes:
        etag = (await course.owner.get(path(course))).headers["etag"]
        kept = await course.owner.get(path(course), headers={"if-none-match": etag})
        assert kept.status_code == 304
        data_of(await course.owner.put(changed, body))
        assert (await course.owner.get(path(course), headers={"if-none-match": etag})).status_code == 200
    assert "etag" not in (await platform.http.get(path(course))).headers


async def test_a_drafts_structure_is_its_owners_and_admins(platform: TestPlatform) -> None:
    course = await platform.course(published=False)
    assert set((await statuses(await strangers(platform), "GET", path(course))).values()) == {404}
    assert (await anonymous(platform, "GET", path(course))).status_code == 404
    managers = {"owner": course.owner, "admin": await platform.person(role="admin")}
    assert set((await statuses(managers, "GET", path(course))).values()) == {200}


async def test_draft_modules_and_lessons_are_hidden_from_the_enrolled_too(platform: TestPlatform) -> None:
    course = await platform.course(modules=2, lessons=2)
    learner = await platform.person()
    await platform.enrollment(learner, course)
    data_of(await course.owner.put(path_of(course.id, "modules", course.modules[0]), {"status": "draft"}))
    data_of(await course.owner.put(path_of(course.id, "lessons", course.lessons[1][0]), {"status": "draft"}))
    seen = outline(data_of(await learner.get(path(course))))
    assert seen == [(str(course.modules[1]), [str(course.lessons[1][1])])]
    assert len(outline(data_of(await course.owner.get(path(course))))) == 2


async def test_whoever_has_just_enrolled_need_not_wait_for_the_event(platform: TestPlatform) -> None:
    course = await with_lessons(platform)
    learner = await platform.person()
    data_of(await learner.post(f"/api/v1/courses/{course.id}/enroll"))
    assert shown(data_of(await learner.get(path(course)))) == [True, True]
    lesson = data_of(await learner.get(path(course)))["modules"][0]["lessons"][0]
    assert data_of(await learner.get(path_of(course.id, "lessons", lesson["id"])))["url"] == PDF["url"]


async def test_whoever_was_no_student_a_moment_ago_is_one_with_the_event(platform: TestPlatform) -> None:
    course = await with_lessons(platform)
    learner = await platform.person()
    assert shown(data_of(await learner.get(path(course)))) == [False, True]
    data_of(await learner.post(f"/api/v1/courses/{course.id}/enroll"))
    assert shown(data_of(await learner.get(path(course)))) == [False, True]  # the no is kept for a moment
    await platform.settle()
    assert shown(data_of(await learner.get(path(course)))) == [True, True]


async def test_whoever_drops_the_course_sees_previews_alone(platform: TestPlatform) -> None:
    course = await with_lessons(platform)
    learner = await platform.person()
    enrollment_id = await platform.enrollment(learner, course)
    data_of(await learner.delete(f"/api/enrollments/{enrollment_id}"))
    await platform.settle()
    assert shown(data_of(await learner.get(path(course)))) == [False, True]


async def enrolled(platform: TestPlatform, state: EnrollmentState) -> None:
    """Enrollments says what has become of an enrolment."""
    topic = STUDENT_UNENROLLED if state.status == "dropped" else STUDENT_ENROLLED
    async with platform.database("enrollments").transaction() as tx:
        tx.publish(topic, state)
    await platform.settle()


def enrollment_of(learner: Person, course: Course, **fields: Any) -> EnrollmentState:
    said = {"enrollment_id": new_id(), "payment_id": None, "enrolled_at": utc_now(), "version": 1, **fields}
    return EnrollmentState(user_id=learner.id, course_id=course.id, status=said.pop("status", "in_progress"), **said)


async def test_an_unenrolment_that_overtakes_the_enrolment_counts(platform: TestPlatform) -> None:
    course = await with_lessons(platform)
    learner = await platform.person()
    enrollment_id = new_id()
    await enrolled(platform, enrollment_of(learner, course, enrollment_id=enrollment_id, status="dropped", version=2))
    await enrolled(platform, enrollment_of(learner, course, enrollment_id=enrollment_id, version=1))
    assert shown(data_of(await learner.get(path(course)))) == [False, True]
    assert data_of(await learner.get(path_of(course.id)))["studentCount"] == 0


async def test_an_event_that_comes_again_is_counted_once(platform: TestPlatform) -> None:
    course = await with_lessons(platform)
    learner = await platform.person()
    state = enrollment_of(learner, course)
    for _ in range(3):
        await enrolled(platform, state)
    assert data_of(await learner.get(path_of(course.id)))["studentCount"] == 1


async def test_an_enrolment_in_a_course_that_is_gone_is_passed_over(platform: TestPlatform) -> None:
    course = await with_lessons(platform)
    data_of(await course.owner.delete(path_of(course.id)))
    await enrolled(platform, enrollment_of(await platform.person(), course))
    assert await platform.database("courses").reader.fetchval("SELECT count(*) FROM enrollments") == 0
    assert await platform.database("courses").reader.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_other_services_read_the_outline_drafts_too(platform: TestPlatform) -> None:
    course = await platform.course(modules=2, lessons=2, published=False)
    data_of(await course.owner.post(path_of(course.id, "modules"), {"title": "Empty"}))
    client = platform.context("progress").http("courses")
    got = await client.get(f"/internal/courses/{course.id}/outline", reply=CourseOutline)
    assert (got.course.course_id, got.course.status) == (course.id, "draft")
    assert [module.order for module in got.modules] == [1, 2, 3]
    assert [(one.module_id, one.lesson_id, one.order) for one in got.lessons] == [
        (module_id, lesson_id, order)
        for module_id, lesson_ids in zip(course.modules, course.lessons, strict=True)
        for order, lesson_id in enumerate(lesson_ids, 1)
    ]
    assert await client.find(f"/internal/courses/{new_id()}/outline", reply=CourseOutline) is None


async def test_other_services_read_everything_page_by_page(platform: TestPlatform) -> None:
    courses = [await platform.course(published=number % 2 == 0) for number in range(3)]
    client = platform.context("content").http("courses")
    expected: dict[tuple[str, Any], set[UUID]] = {
        ("courses", CoursePage): {course.id for course in courses},
        ("modules", ModulePage): {module for course in courses for module in course.modules},
        ("lessons", LessonPage): {lesson for course in courses for _, lesson in course.all_lessons},
    }
    for (noun, reply), ids in expected.items():
        seen, cursor = [], None
        for _ in range(2):
            page = await client.get(f"/internal/{noun}", reply=reply, query={"limit": 2, "cursor": cursor})
            seen += [getattr(state, f"{noun[:-1]}_id") for state in getattr(page, noun)]
            cursor = page.next_cursor
        assert (sorted(seen), cursor) == (sorted(ids), None)


async def test_other_services_read_a_courses_state(platform: TestPlatform) -> None:
    course = await platform.course(published=False, price=19.99)
    client = platform.context("enrollments").http("courses")
    state = await client.get(f"/internal/courses/{course.id}", reply=CourseState)
    assert (state.instructor_id, str(state.price), state.status, state.version) == (
        course.owner.id,
        "19.99",
        "draft",
        1,
    )
    assert await client.find(f"/internal/courses/{new_id()}", reply=CourseState) is None
    for hidden in ("/internal/courses", f"/internal/courses/{course.id}"):
        assert (await course.owner.get(hidden)).status_code == 404
