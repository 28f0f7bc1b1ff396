"""Enrolling, seeing and dropping, as a learner, an owner and a stranger."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

from moocflix.platform.ids import new_id
from moocflix.services.courses.course.model import MAX_PRICE
from tests.factories.platform import Person, TestPlatform, data_of

NOBODY = UUID("01890000-0000-7000-8000-000000000000")


async def events(platform: TestPlatform, topic: str) -> list[dict[str, Any]]:
    rows = await platform.database("enrollments").reader.fetch(
        "SELECT data FROM outbox WHERE topic = $1 ORDER BY seq", topic
    )
    return [row["data"] for row in rows]


def refused(response: Any, status: int) -> str:
    assert response.status_code == status, response.text
    message: str = response.json()["error"]["message"]
    return message


async def test_a_learner_enrols_and_is_told_as_document_5_has_it(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    response = await learner.post(f"/api/v1/courses/{course.id}/enroll")
    assert response.status_code == 201
    data = data_of(response)
    assert data["message"] == "Enrollment successful"
    assert (data["userId"], data["courseId"], data["status"], data["progress"], data["currentLessonId"]) == (
        str(learner.id),
        str(course.id),
        "in_progress",
        0,
        None,
    )
    assert data["enrollmentDate"].endswith("Z")
    seen = data_of(await learner.get(f"/api/enrollments/{data['enrollmentId']}"))
    assert seen == {key: value for key, value in data.items() if key != "message"}


async def test_enrolling_publishes_its_event_once_with_the_whole_state(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    data = data_of(await learner.post(f"/api/v1/courses/{course.id}/enroll"))
    (event,) = await events(platform, "Student-Enrolled")
    assert event == {
        "version": 1,
        "enrollmentId": data["enrollmentId"],
        "userId": str(learner.id),
        "courseId": str(course.id),
        "status": "in_progress",
        "paymentId": None,
        "enrolledAt": event["enrolledAt"],
    }


async def test_both_paths_enrol_and_the_second_time_is_refused(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    body = {"courseId": str(course.id), "userId": str(learner.id)}
    assert (await learner.post("/api/enrollments/enroll", body)).status_code == 201
    assert refused(await learner.post("/api/enrollments/enroll", body), 409) == "User already enrolled."
    assert refused(await learner.post(f"/api/v1/courses/{course.id}/enroll"), 409) == "User already enrolled."


async def test_a_course_that_is_not_copied_yet_is_fetched_from_its_owner(platform: TestPlatform) -> None:
    course = await platform.course()
    async with platform.database("enrollments").transaction() as tx:
        await tx.execute("DELETE FROM courses_copy")
    learner = await platform.person()
    assert (await learner.post(f"/api/v1/courses/{course.id}/enroll")).status_code == 201


async def test_the_courses_instructor_cannot_enrol_in_it(platform: TestPlatform) -> None:
    course = await platform.course()
    refused(await course.owner.post(f"/api/v1/courses/{course.id}/enroll"), 403)


async def test_another_instructor_may_learn(platform: TestPlatform) -> None:
    course = await platform.course()
    other = await platform.person(role="instructor")
    assert (await other.post(f"/api/v1/courses/{course.id}/enroll")).status_code == 201


async def test_a_draft_and_an_unknown_course_are_not_there(platform: TestPlatform) -> None:
    draft = await platform.course(published=False)
    learner = await platform.person()
    refused(await learner.post(f"/api/v1/courses/{draft.id}/enroll"), 404)
    refused(await learner.post(f"/api/v1/courses/{NOBODY}/enroll"), 404)
    refused(await platform.http.post(f"/api/v1/courses/{draft.id}/enroll"), 401)


async def test_bad_input_names_the_field(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    for body, field in (
        ({"userId": str(learner.id)}, "courseId"),
        ({"courseId": str(course.id)}, "userId"),
        ({"courseId": "one", "userId": str(learner.id)}, "courseId"),
        ({"courseId": str(course.id), "userId": str(learner.id), "paymentId": 7}, "paymentId"),
    ):
        response = await learner.post("/api/enrollments/enroll", body)
        refused(response, 400)
        assert [detail["field"] for detail in response.json()["error"]["details"]] == [field]


async def test_a_price_takes_a_completed_payment_of_ones_own(platform: TestPlatform) -> None:
    course = await platform.course(price=49.5)
    learner, other = await platform.person(), await platform.person()
    message = refused(await learner.post(f"/api/v1/courses/{course.id}/enroll"), 402)
    assert "49.50 USD" in message
    await pay(platform, other, course.id, status="completed")
    await pay(platform, learner, course.id, status="pending")
    refused(await learner.post(f"/api/v1/courses/{course.id}/enroll"), 402)
    payment_id = await pay(platform, learner, course.id, status="completed")
    body = {"courseId": str(course.id), "userId": str(learner.id), "paymentId": str(new_id())}
    refused(await learner.post("/api/enrollments/enroll", body), 402)
    assert (await learner.post("/api/enrollments/enroll", {**body, "paymentId": str(payment_id)})).status_code == 201
    (event,) = await events(platform, "Student-Enrolled")
    assert event["paymentId"] == str(payment_id)


async def test_the_dearest_course_that_there_may_be_asks_for_its_price(platform: TestPlatform) -> None:
    course = await platform.course(price=int(MAX_PRICE))
    learner = await platform.person()
    assert await platform.database("enrollments").reader.fetchval("SELECT price FROM courses_copy") == MAX_PRICE
    message = refused(await learner.post(f"/api/v1/courses/{course.id}/enroll"), 402)
    assert "100000000.00 USD" in message


async def pay(platform: TestPlatform, payer: Person, course_id: UUID, *, status: str) -> UUID:
    """What a reaction to the payments service's events will write."""
    payment_id = new_id()
    async with platform.database("enrollments").transaction() as tx:
        await tx.execute(
            "INSERT INTO payments_copy (payment_id, version, user_id, course_id, status) VALUES ($1, 1, $2, $3, $4)",
            payment_id,
            payer.id,
            course_id,
            status,
        )
    return payment_id


async def test_only_an_admin_enrols_somebody_else(platform: TestPlatform) -> None:
    course = await platform.course()
    learner, stranger, admin = await platform.person(), await platform.person(), await platform.person(role="admin")
    body = {"courseId": str(course.id), "userId": str(learner.id)}
    refused(await stranger.post("/api/enrollments/enroll", body), 403)
    refused(await course.owner.post("/api/enrollments/enroll", body), 403)
    assert data_of(await admin.post("/api/enrollments/enroll", body))["userId"] == str(learner.id)


async def test_an_admin_cannot_enrol_nobody_nor_a_closed_account(platform: TestPlatform) -> None:
    course = await platform.course()
    learner, admin = await platform.person(), await platform.person(role="admin")
    refused(await admin.post("/api/enrollments/enroll", {"courseId": str(course.id), "userId": str(NOBODY)}), 404)
    data_of(await learner.delete("/api/v1/users/deactivate"))
    await platform.settle()
    refused(await admin.post("/api/enrollments/enroll", {"courseId": str(course.id), "userId": str(learner.id)}), 409)
    assert await events(platform, "Student-Enrolled") == []


async def test_a_course_is_open_as_soon_as_it_is_published(platform: TestPlatform) -> None:
    course = await platform.course(published=False)
    await course.owner.put(f"/api/v1/courses/{course.id}", {"status": "published"})
    learner = await platform.person()
    # No event has arrived yet.
    assert (await learner.post(f"/api/v1/courses/{course.id}/enroll")).status_code == 201


async def test_an_admin_is_told_that_a_course_is_a_draft(platform: TestPlatform) -> None:
    draft = await platform.course(published=False)
    learner, admin = await platform.person(), await platform.person(role="admin")
    refused(await admin.post("/api/enrollments/enroll", {"courseId": str(draft.id), "userId": str(learner.id)}), 409)


async def test_an_enrolment_is_seen_by_its_learner_the_owner_and_admins_alone(platform: TestPlatform) -> None:
    course = await platform.course()
    learner, classmate, admin = await platform.person(), await platform.person(), await platform.person(role="admin")
    other_owner = (await platform.course()).owner
    enrollment_id = await platform.enrollment(learner, course)
    await platform.enrollment(classmate, course)
    for person in (learner, course.owner, admin):
        data_of(await person.get(f"/api/enrollments/{enrollment_id}"))
    for person in (classmate, other_owner):
        refused(await person.get(f"/api/enrollments/{enrollment_id}"), 404)
    refused(await platform.http.get(f"/api/enrollments/{enrollment_id}"), 401)
    refused(await learner.get(f"/api/enrollments/{NOBODY}"), 404)


async def test_only_the_learner_drops(platform: TestPlatform) -> None:
    course = await platform.course()
    learner, stranger, admin = await platform.person(), await platform.person(), await platform.person(role="admin")
    enrollment_id = await platform.enrollment(learner, course)
    refused(await stranger.delete(f"/api/enrollments/{enrollment_id}"), 404)
    refused(await course.owner.delete(f"/api/enrollments/{enrollment_id}"), 403)
    refused(await admin.delete(f"/api/enrollments/{enrollment_id}"), 403)
    assert await events(platform, "Student-Unenrolled") == []
    assert data_of(await learner.delete(f"/api/enrollments/{enrollment_id}"))["status"] == "dropped"


async def test_dropping_twice_tells_others_once(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    enrollment_id = await platform.enrollment(learner, course)
    for _ in range(2):
        assert data_of(await learner.delete(f"/api/enrollments/{enrollment_id}"))["status"] == "dropped"
    (event,) = await events(platform, "Student-Unenrolled")
    assert (event["version"], event["status"]) == (2, "dropped")


async def test_enrolling_again_takes_the_same_enrolment_up_with_its_progress(platform: TestPlatform) -> None:
    course = await platform.course(lessons=2)
    learner = await platform.person()
    enrollment_id = await platform.enrollment(learner, course)
    module_id, lesson_id = course.all_lessons[0]
    progress = {
        "enrollmentId": str(enrollment_id),
        "moduleId": str(module_id),
        "lessonId": str(lesson_id),
        "progress": 1,
        "timeSpent": 60,
    }
    data_of(await learner.post("/api/progress/update", progress))
    await platform.settle()
    first = data_of(await learner.get(f"/api/enrollments/{enrollment_id}"))
    assert (first["progress"], first["currentLessonId"]) == (0.5, str(lesson_id))
    data_of(await learner.delete(f"/api/enrollments/{enrollment_id}"))
    again = data_of(await learner.post(f"/api/v1/courses/{course.id}/enroll"))
    assert {key: value for key, value in again.items() if key != "message"} == first
    assert [event["version"] for event in await events(platform, "Student-Enrolled")] == [1, 3]


async def test_my_enrolments_come_in_pages_the_latest_first(platform: TestPlatform) -> None:
    owner = await platform.person(role="instructor")
    courses = [await platform.course(owner=owner, title=f"Course {number}") for number in range(5)]
    learner = await platform.person()
    for course in courses:
        await platform.enrollment(learner, course)
    titles, cursor = [], ""
    while True:
        page = data_of(await learner.get(f"/api/enrollments?limit=2{cursor}"))
        titles += [row["courseTitle"] for row in page["enrollments"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert titles == [f"Course {number}" for number in reversed(range(5))]
    one = data_of(await learner.get(f"/api/enrollments?courseId={courses[3].id}"))["enrollments"]
    assert [row["courseId"] for row in one] == [str(courses[3].id)]
    data_of(await learner.delete(f"/api/enrollments/{one[0]['enrollmentId']}"))
    dropped = data_of(await learner.get("/api/enrollments?status=dropped"))["enrollments"]
    assert [row["courseId"] for row in dropped] == [str(courses[3].id)]
    refused(await learner.get("/api/enrollments?status=asleep"), 400)
    refused(await learner.get("/api/enrollments?cursor=nonsense"), 400)
    refused(await learner.get("/api/enrollments?limit=101"), 400)


async def test_a_hundred_enrolments_of_one_person_at_once_have_one_effect(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    answers = await asyncio.gather(*(learner.post(f"/api/v1/courses/{course.id}/enroll") for _ in range(100)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 99
    assert len(await events(platform, "Student-Enrolled")) == 1
    count = await platform.database("enrollments").reader.fetchval("SELECT count(*) FROM enrollments")
    assert count == 1


async def test_an_idempotency_key_enrols_once_and_answers_alike(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    headers = {"idempotency-key": "enrol-1"}
    first = await learner.post(f"/api/v1/courses/{course.id}/enroll", headers=headers)
    second = await learner.post(f"/api/v1/courses/{course.id}/enroll", headers=headers)
    assert (first.status_code, second.status_code, first.content) == (201, 201, second.content)
    assert len(await events(platform, "Student-Enrolled")) == 1


async def test_price_and_progress_are_exact_decimals_inside(platform: TestPlatform) -> None:
    course = await platform.course(price=0.1)
    row = await platform.database("enrollments").reader.fetchrow(
        "SELECT price FROM courses_copy WHERE course_id = $1", course.id
    )
    assert row is not None
    assert row["price"] == Decimal("0.10")
