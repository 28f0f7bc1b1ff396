"""Who sees who is in a course."""

from tests.factories.platform import TestPlatform, data_of


async def test_students_are_listed_with_names_and_progress_in_pages(platform: TestPlatform) -> None:
    course = await platform.course()
    learners = [await platform.person(name=f"Learner {number}") for number in range(3)]
    for learner in learners:
        await platform.enrollment(learner, course)
    path = f"/api/v1/courses/{course.id}/students"
    first = data_of(await course.owner.get(f"{path}?limit=2"))
    second = data_of(await course.owner.get(f"{path}?limit=2&cursor={first['nextCursor']}"))
    students = first["students"] + second["students"]
    assert [student["name"] for student in students] == ["Learner 2", "Learner 1", "Learner 0"]
    assert {student["progress"] for student in students} == {0}
    assert second["nextCursor"] is None


async def test_one_may_be_asked_for_and_both_paths_tell_the_same(platform: TestPlatform) -> None:
    course = await platform.course()
    learner, other = await platform.person(), await platform.person()
    await platform.enrollment(learner, course)
    await platform.enrollment(other, course)
    students = data_of(await course.owner.get(f"/api/v1/courses/{course.id}/students?userId={learner.id}"))
    assert [student["userId"] for student in students["students"]] == [str(learner.id)]
    enrollments = data_of(await course.owner.get(f"/api/v1/courses/{course.id}/enrollments?userId={learner.id}"))
    assert enrollments["enrollments"] == students["students"]


async def test_who_has_dropped_is_no_student(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    enrollment_id = await platform.enrollment(learner, course)
    data_of(await learner.delete(f"/api/enrollments/{enrollment_id}"))
    assert data_of(await course.owner.get(f"/api/v1/courses/{course.id}/students"))["students"] == []


async def test_only_the_owner_and_admins_see_students(platform: TestPlatform) -> None:
    course = await platform.course()
    draft = await platform.course(published=False)
    learner, admin = await platform.person(), await platform.person(role="admin")
    other_owner = draft.owner
    await platform.enrollment(learner, course)
    for noun in ("students", "enrollments"):
        path = f"/api/v1/courses/{course.id}/{noun}"
        assert len(data_of(await admin.get(path))[noun]) == 1
        assert (await learner.get(path)).status_code == 403
        assert (await other_owner.get(path)).status_code == 403
        assert (await platform.http.get(path)).status_code == 401
        assert (await learner.get(f"/api/v1/courses/{draft.id}/{noun}")).status_code == 404
        assert (await course.owner.get(f"/api/v1/courses/{draft.id}/{noun}")).status_code == 404


async def test_a_learner_whose_name_is_still_on_its_way_is_listed(platform: TestPlatform) -> None:
    course = await platform.course()
    learner = await platform.person()
    data_of(await learner.post(f"/api/v1/courses/{course.id}/enroll"))
    (student,) = data_of(await course.owner.get(f"/api/v1/courses/{course.id}/students"))["students"]
    assert (student["userId"], student["name"]) == (str(learner.id), None)
    await platform.settle()
    (student,) = data_of(await course.owner.get(f"/api/v1/courses/{course.id}/students"))["students"]
    assert student["name"] == learner.name
