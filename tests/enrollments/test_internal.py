"""What enrollments tells the platform's other services."""

from moocflix.contracts.enrollments import EnrollmentFound, EnrollmentPage, EnrollmentState
from moocflix.platform.ids import new_id
from tests.factories.platform import TestPlatform, data_of


async def test_another_service_may_ask_for_one_and_whether_somebody_is_in(platform: TestPlatform) -> None:
    course = await platform.course()
    learner, stranger = await platform.person(), await platform.person()
    enrollment_id = await platform.enrollment(learner, course)
    client = platform.context("content").http("enrollments")
    state = await client.get(f"/internal/enrollments/{enrollment_id}", reply=EnrollmentState)
    assert (state.user_id, state.course_id, state.status, state.version) == (
        learner.id,
        course.id,
        "in_progress",
        1,
    )
    assert await client.find(f"/internal/enrollments/{new_id()}", reply=EnrollmentState) is None
    for person, expected in ((learner, state), (stranger, None)):
        query = {"userId": person.id, "courseId": course.id}
        found = await client.get("/internal/enrollments/find", reply=EnrollmentFound, query=query)
        assert found.enrollment == expected


async def test_all_come_in_pages_by_id_the_dropped_ones_too(platform: TestPlatform) -> None:
    course = await platform.course()
    learners = [await platform.person() for _ in range(5)]
    ids = [await platform.enrollment(learner, course) for learner in learners]
    data_of(await learners[0].delete(f"/api/enrollments/{ids[0]}"))
    client = platform.context("content").http("enrollments")
    found, cursor = [], None
    while True:
        query = {"limit": 2, "cursor": cursor}
        page = await client.get("/internal/enrollments", reply=EnrollmentPage, query=query)
        found += [state.enrollment_id for state in page.enrollments]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == sorted(ids)


async def test_nobody_outside_reaches_an_internal_route(platform: TestPlatform) -> None:
    admin = await platform.person(role="admin")
    assert (await admin.get("/internal/enrollments")).status_code == 404
    assert (await admin.post(f"/internal/courses/{new_id()}/close", {"force": True})).status_code == 404
