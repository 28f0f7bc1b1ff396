"""Updating and reading progress, as a learner, an owner and a stranger."""

import asyncio
from uuid import UUID

import pytest

from moocflix.platform.ids import new_id
from tests.factories.platform import TestPlatform, data_of
from tests.progress.conftest import Way, begin


async def test_an_update_is_noted_as_document_5_has_it(way: Way) -> None:
    first = way.course.all_lessons[0]
    noted = data_of(await way.go(first, 0.75, spent=3600))
    assert noted["message"] == "Progress updated successfully"
    seen = await way.seen()
    assert {name: seen[name] for name in ("progressId", "enrollmentId", "moduleId", "lessonId", "progress")} == {
        "progressId": noted["progressId"],
        "enrollmentId": str(way.enrollment_id),
        "moduleId": str(first[0]),
        "lessonId": str(first[1]),
        "progress": 0.75,
    }
    assert (seen["timeSpent"], seen["courseProgress"]) == (3600, 0.1875)
    assert (seen["completedLessons"], seen["totalLessons"], seen["completedAt"]) == (0, 4, None)
    assert seen["lastAccessed"].endswith("Z")


async def test_progress_never_falls_and_time_adds_up(way: Way) -> None:
    lesson = way.course.all_lessons[0]
    for progress, spent, expected in ((0.5, 10, 0.5), (0.2, 5, 0.5), (0.6, 0, 0.6)):
        assert data_of(await way.go(lesson, progress, spent=spent))["progress"] == expected
    assert (await way.seen())["timeSpent"] == 15
    assert [event["lessonProgress"] for event in await way.told("Progress-Updated")] == [0.5, 0.5, 0.6]


async def test_the_lesson_touched_last_is_the_one_to_resume(way: Way) -> None:
    lessons = way.course.all_lessons
    for lesson in (lessons[0], lessons[2], lessons[1]):
        data_of(await way.go(lesson, 0.5))
    assert (await way.seen())["lessonId"] == str(lessons[1][1])
    assert (await way.enrollment())["currentLessonId"] == str(lessons[1][1])


async def test_every_lesson_that_counts_is_listed_in_the_courses_order(way: Way) -> None:
    lessons = way.course.all_lessons
    data_of(await way.go(lessons[3], 1, spent=7))
    listed = (await way.seen())["lessons"]
    assert [(lesson["moduleId"], lesson["lessonId"]) for lesson in listed] == [(str(m), str(n)) for m, n in lessons]
    assert [lesson["progress"] for lesson in listed] == [0, 0, 0, 1]
    assert [lesson["progressId"] is None for lesson in listed] == [True, True, True, False]
    assert [lesson["timeSpent"] for lesson in listed] == [0, 0, 0, 7]


async def test_who_has_not_begun_sees_zeros_and_nothing_to_resume(way: Way) -> None:
    seen = await way.seen()
    assert (seen["progressId"], seen["lessonId"], seen["progress"], seen["courseProgress"]) == (None, None, 0, 0)
    assert (seen["completedLessons"], seen["totalLessons"]) == (0, 4)


async def test_the_last_lesson_completes_the_course_once(way: Way) -> None:
    *others, last = way.course.all_lessons
    for lesson in others:
        assert data_of(await way.go(lesson, 1))["completedAt"] is None
    assert (await way.enrollment())["status"] == "in_progress"
    for _ in range(3):
        assert data_of(await way.go(last, 1))["completedAt"] is not None
    (event,) = await way.told("Course-Completed")
    assert (event["userId"], event["courseId"]) == (str(way.learner.id), str(way.course.id))
    enrollment = await way.enrollment()
    assert (enrollment["status"], enrollment["progress"]) == ("completed", 1)


async def test_almost_all_of_a_lesson_is_never_rounded_up_to_the_whole(way: Way) -> None:
    for lesson in way.course.all_lessons:
        assert data_of(await way.go(lesson, 0.999999))["progress"] == 0.9999
    assert (await way.seen())["courseProgress"] == 0.9999
    assert (await way.enrollment())["status"] == "in_progress"


async def test_an_update_is_only_the_learners_own(way: Way, platform: TestPlatform) -> None:
    lesson = way.course.all_lessons[0]
    classmate = await begin(platform, way.course)
    assert (await way.go(lesson, 1, by=classmate.learner)).status_code == 404
    for person in (way.course.owner, await platform.person(role="admin")):
        assert (await way.go(lesson, 1, by=person)).status_code == 403
    assert (await platform.http.post("/api/progress/update", json={})).status_code == 401
    assert (await way.seen())["progress"] == 0
    assert await way.told("Progress-Updated") == []


async def test_progress_is_seen_by_its_learner_the_owner_and_admins_alone(way: Way, platform: TestPlatform) -> None:
    other = await begin(platform, await platform.course())
    path = f"/api/progress/{way.enrollment_id}"
    for person in (way.learner, way.course.owner, await platform.person(role="admin")):
        assert data_of(await person.get(path))["enrollmentId"] == str(way.enrollment_id)
    for stranger in (other.learner, other.course.owner):
        response = await stranger.get(path)
        assert (response.status_code, response.json()["error"]["message"]) == (404, "Progress not found.")
    assert (await platform.http.get(path)).status_code == 401


async def test_an_unknown_enrolment_is_not_found(way: Way) -> None:
    assert (await way.learner.get(f"/api/progress/{new_id()}")).json()["error"]["message"] == "Progress not found."
    refused = await way.go(way.course.all_lessons[0], 1, but={"enrollmentId": str(new_id())})
    assert refused.status_code == 404


async def test_a_lesson_of_elsewhere_and_the_wrong_module_are_named(way: Way, platform: TestPlatform) -> None:
    other = await platform.course()
    first, second = way.course.modules
    cases: tuple[tuple[tuple[UUID, UUID], str], ...] = (
        (other.all_lessons[0], "lessonId"),
        ((first, new_id()), "lessonId"),
        ((second, way.course.lessons[0][0]), "moduleId"),
        ((new_id(), way.course.lessons[0][0]), "moduleId"),
    )
    for lesson, field in cases:
        response = await way.go(lesson, 1)
        assert response.status_code == 400, response.text
        assert [detail["field"] for detail in response.json()["error"]["details"]] == [field]
    assert await way.told("Progress-Updated") == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("progress", 1.01),
        ("progress", -0.1),
        ("progress", "half"),
        ("timeSpent", -1),
        ("timeSpent", 86_401),
        ("timeSpent", 1.5),
        ("lessonId", "les_1"),
        ("enrollmentId", None),
    ],
)
async def test_bad_input_names_the_field(way: Way, field: str, value: object) -> None:
    response = await way.go(way.course.all_lessons[0], 0.5, but={field: value})
    assert response.status_code == 400, response.text
    assert [detail["field"] for detail in response.json()["error"]["details"]] == [field]


async def test_who_has_dropped_cannot_go_on_until_they_enrol_again(way: Way) -> None:
    lesson = way.course.all_lessons[0]
    data_of(await way.go(lesson, 0.5))
    data_of(await way.learner.delete(f"/api/enrollments/{way.enrollment_id}"))
    await way.platform.settle()
    assert (await way.go(lesson, 1)).status_code == 409
    data_of(await way.learner.post(f"/api/v1/courses/{way.course.id}/enroll"))
    # At once: the event of the return is still on its way, so the owner of enrolments is asked.
    assert data_of(await way.go(lesson, 0.75))["progress"] == 0.75


async def test_a_learner_may_begin_before_any_event_has_arrived(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    data = data_of(await learner.post(f"/api/v1/courses/{course.id}/enroll"))
    way = Way(platform, course, learner, UUID(data["enrollmentId"]))
    late = await platform.lesson(course.owner, course.id, course.modules[0])
    noted = data_of(await way.go((course.modules[0], late), 0.5))
    assert noted["courseProgress"] == 0.25


async def test_two_last_lessons_at_once_complete_the_course_once(platform: TestPlatform) -> None:
    course = await platform.course(modules=1, lessons=5)
    for _ in range(4):
        way = await begin(platform, course)
        answers = await asyncio.gather(*(way.go(lesson, 1) for lesson in course.all_lessons))
        assert sum(data_of(answer)["completedAt"] is not None for answer in answers) == 1
        assert len(await way.told("Course-Completed")) == 1
        assert [event["version"] for event in await way.told("Progress-Updated")] == [1, 2, 3, 4, 5]
        enrollment = await way.enrollment()
        assert (enrollment["status"], enrollment["progress"]) == ("completed", 1)


async def test_updates_of_one_lesson_at_once_all_add_their_time(way: Way) -> None:
    lesson = way.course.all_lessons[0]
    answers = await asyncio.gather(*(way.go(lesson, step / 20, spent=1) for step in range(1, 21)))
    assert {answer.status_code for answer in answers} == {200}
    seen = await way.seen()
    assert (seen["progress"], seen["timeSpent"]) == (1, 20)
    assert len(await way.told("Progress-Updated")) == 20


async def test_an_idempotency_key_counts_the_time_once(way: Way) -> None:
    lesson = way.course.all_lessons[0]
    body = {
        "enrollmentId": str(way.enrollment_id),
        "moduleId": str(lesson[0]),
        "lessonId": str(lesson[1]),
        "progress": 0.5,
        "timeSpent": 10,
    }
    headers = {"idempotency-key": "beat-1"}
    answers = [await way.learner.post("/api/progress/update", body, headers=headers) for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert (await way.seen())["timeSpent"] == 10
    assert len(await way.told("Progress-Updated")) == 1
