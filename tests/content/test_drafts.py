"""A published course that is put back to draft: what it holds is its owner's alone, what learners did stays theirs."""

from uuid import UUID

from tests.content.conftest import School
from tests.factories.platform import Person, data_of


async def put_back(school: School, status: str) -> None:
    data_of(await school.owner.put(f"/api/v1/courses/{school.course.id}", {"status": status}))
    await school.platform.settle()


async def seen_by(school: School, person: Person, video_id: UUID) -> set[int]:
    """The statuses of all that shows what the course holds."""
    course = f"/api/v1/courses/{school.course.id}"
    video = f"/api/v1/content/{video_id}"
    structure = f"/api/courses/{school.course.id}/structure"
    paths = (course, f"{course}/modules", structure, video, f"{video}/stream", f"{video}/stream?format=file")
    return {(await person.get(path)).status_code for path in paths}


async def test_what_it_holds_is_its_owners_alone_until_it_is_published_again(school: School) -> None:
    video_id = await school.video(transcode=True)
    await put_back(school, "draft")
    seen = [await seen_by(school, person, video_id) for person in (school.owner, school.learner, school.stranger)]
    assert seen == [{200}, {404}, {404}]
    deleted = await school.learner.delete(f"/api/v1/content/{video_id}")
    assert deleted.status_code == 404
    await put_back(school, "published")
    assert await seen_by(school, school.learner, video_id) == {200}


async def test_nobody_enrols_and_who_is_enrolled_keeps_their_progress(school: School) -> None:
    (listed,) = data_of(await school.learner.get("/api/enrollments"))["enrollments"]
    enrollment_id = listed["enrollmentId"]
    ((module_id, lesson_id),) = school.course.all_lessons
    await put_back(school, "draft")
    step = {"enrollmentId": enrollment_id, "moduleId": str(module_id), "lessonId": str(lesson_id)}
    # Of a lesson that was done while the course was open: a device without a connection tells of it later.
    data_of(await school.learner.post("/api/progress/update", {**step, "progress": 1, "timeSpent": 9}))
    assert (await school.learner.get(f"/api/enrollments/{enrollment_id}")).status_code == 200
    assert data_of(await school.learner.get(f"/api/progress/{enrollment_id}"))["courseProgress"] == 1
    assert (await school.stranger.post(f"/api/v1/courses/{school.course.id}/enroll")).status_code == 404


async def test_an_enrolment_whose_event_is_on_its_way_opens_no_draft(school: School) -> None:
    video_id = await school.video(transcode=True)
    await put_back(school, "draft")
    async with school.platform.database("content").transaction() as tx:
        await tx.execute("DELETE FROM enrollments_copy")
    assert (await school.learner.get(f"/api/v1/content/{video_id}")).status_code == 404
    assert (await school.learner.get(f"/api/v1/content/{video_id}/stream")).status_code == 404


async def test_a_course_just_published_lets_its_learners_in_before_the_event_has_come(school: School) -> None:
    video_id = await school.video(transcode=True)
    await put_back(school, "draft")
    data_of(await school.owner.put(f"/api/v1/courses/{school.course.id}", {"status": "published"}))
    assert (await school.learner.get(f"/api/v1/content/{video_id}")).status_code == 200
    assert (await school.stranger.get(f"/api/v1/content/{video_id}/stream")).status_code == 404
