"""Lessons: added, changed, deleted and shown."""

import asyncio
from typing import Any

import pytest

from moocflix.contracts.courses import LessonState
from tests.factories.courses import anonymous, etag, faults, path_of, published, statuses, strangers
from tests.factories.platform import Course, TestPlatform, data_of

TEACHES = {"url": "https://example.org/a.pdf", "content": "Read this."}


def lessons_path(course: Course, *parts: object) -> str:
    return path_of(course.id, "modules", course.modules[0], "lessons", *parts)


async def read(course: Course, lesson_id: Any) -> Any:
    return data_of(await course.owner.get(lessons_path(course, lesson_id)))


async def test_a_lesson_is_added_last_and_a_draft(platform: TestPlatform) -> None:
    course = await platform.course(lessons=1)
    answer = await course.owner.post(lessons_path(course), {"title": "Variables", "type": "PDF", **TEACHES})
    made = data_of(answer)
    assert (answer.status_code, made["order"], answer.headers["etag"]) == (201, 2, '"1"')
    lesson = await read(course, made["lessonId"])
    assert (lesson["url"], lesson["content"], lesson["status"], lesson["preview"]) == (
        *TEACHES.values(),
        "draft",
        False,
    )
    event = (await published(platform, "Lesson-Creation"))[-1]
    assert (event["lessonId"], event["type"], event["order"], event["status"]) == (made["lessonId"], "PDF", 2, "draft")
    assert "url" not in event
    assert "content" not in event


@pytest.mark.parametrize("type", ["VIDEO", "PDF", "QUIZ", "ARTICLE", "LIVE_SESSION", "CODE_SANDBOX"])
async def test_there_are_lessons_of_every_type(platform: TestPlatform, type: str) -> None:
    course = await platform.course(lessons=0)
    assert (await course.owner.post(lessons_path(course), {"title": "One", "type": type})).status_code == 201


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", " "),
        ("title", "x" * 201),
        ("type", "FILM"),
        ("type", "video"),
        ("url", "file:///etc/passwd"),
        ("url", "example.org"),
        ("content", "x" * 100_001),
        ("content", 5),
        ("videoId", "7"),
        ("videoId", "01a1fd4f-5606-7436-ab47-d574e38eb31a"),
        ("assessmentId", "x"),
        ("duration", -1),
        ("duration", 1.5),
        ("duration", 10**9),
        ("preview", "yes"),
        ("order", 0),
        ("status", "hidden"),
    ],
)
async def test_a_bad_field_is_named(platform: TestPlatform, field: str, value: Any) -> None:
    course = await platform.course(lessons=1)
    body = {"title": "New", "type": "ARTICLE", field: value}
    assert faults(await course.owner.post(lessons_path(course), body)) == [field]
    assert faults(await course.owner.put(lessons_path(course, course.lessons[0][0]), body)) == [field]
    assert (await read(course, course.lessons[0][0]))["version"] == 1
    assert len(await published(platform, "Lesson-Creation")) == 1


@pytest.mark.parametrize("with_module", [True, False])
async def test_a_lesson_is_changed_on_either_path(platform: TestPlatform, *, with_module: bool) -> None:
    course = await platform.course(lessons=1)
    lesson_id = course.lessons[0][0]
    path = lessons_path(course, lesson_id) if with_module else path_of(course.id, "lessons", lesson_id)
    answer = await course.owner.put(path, {"title": "New", "content": None, "duration": 90}, headers=etag(1))
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    got = await course.owner.get(path)
    lesson = data_of(got)
    assert (lesson["title"], lesson["content"], lesson["duration"], got.headers["etag"]) == ("New", None, 90, '"2"')
    assert (await course.owner.put(path, {"title": "Late"}, headers=etag(1))).status_code == 412
    assert (await course.owner.delete(path, headers=etag(1))).status_code == 412
    assert data_of(await course.owner.put(path, {"title": "New"}))["version"] == 2
    assert [event["version"] for event in await published(platform, "Lesson-Updated")] == [2]


async def test_a_change_that_only_the_enrolled_may_see_is_told_without_it(platform: TestPlatform) -> None:
    course = await platform.course(lessons=1)
    data_of(await course.owner.put(lessons_path(course, course.lessons[0][0]), {"content": "secret"}))
    (event,) = await published(platform, "Lesson-Updated")
    assert event["version"] == 2
    assert "secret" not in str(event)


@pytest.mark.parametrize(("order", "expected"), [(1, "CAB"), (2, "ACB"), (9, "ABC")])
async def test_a_lesson_moves_within_its_module(platform: TestPlatform, order: int, expected: str) -> None:
    course = await platform.course(lessons=3)
    ids = dict(zip("ABC", course.lessons[0], strict=True))
    data_of(await course.owner.put(lessons_path(course, ids["C"]), {"order": order}))
    places = {name: (await read(course, id))["order"] for name, id in ids.items()}
    assert "".join(sorted(places, key=lambda name: places[name])) == expected
    assert sorted(places.values()) == [1, 2, 3]


@pytest.mark.parametrize("with_module", [True, False])
async def test_a_lesson_is_deleted_and_those_behind_it_move_up(platform: TestPlatform, *, with_module: bool) -> None:
    course = await platform.course(lessons=3)
    doomed = course.lessons[0][1]
    path = lessons_path(course, doomed) if with_module else path_of(course.id, "lessons", doomed)
    assert (await course.owner.delete(path)).status_code == 200
    assert (await course.owner.get(path)).status_code == 404
    (gone,) = await published(platform, "Lesson-Deleted")
    assert (gone["lessonId"], gone["moduleId"], gone["version"]) == (str(doomed), str(course.modules[0]), 2)
    (moved,) = await published(platform, "Lesson-Updated")
    assert (moved["lessonId"], moved["order"]) == (str(course.lessons[0][2]), 2)


async def test_a_courses_duration_is_that_of_its_published_lessons(platform: TestPlatform) -> None:
    course = await platform.course(lessons=0)
    for status, duration in (("published", 61), ("draft", 600)):
        await platform.lesson(course.owner, course.id, course.modules[0], status=status, duration=duration)
    details = data_of(await course.owner.get(path_of(course.id)))
    assert (details["duration"], details["lessonCount"], details["version"]) == (2, 1, 1)
    data_of(await course.owner.put(path_of(course.id, "modules", course.modules[0]), {"status": "draft"}))
    details = data_of(await course.owner.get(path_of(course.id)))
    assert (details["duration"], details["lessonCount"], details["moduleCount"]) == (0, 0, 0)


async def test_others_see_what_is_published_and_change_nothing(platform: TestPlatform) -> None:
    course = await platform.course(lessons=1)
    others = await strangers(platform)
    lessons, lesson = lessons_path(course), lessons_path(course, course.lessons[0][0])
    body = {"title": "Mine", "type": "QUIZ"}
    assert set((await statuses(others, "GET", lesson)).values()) == {200}
    for method, path in (("POST", lessons), ("PUT", lesson), ("DELETE", lesson)):
        assert set((await statuses(others, method, path, body)).values()) == {403}
        assert (await anonymous(platform, method, path, body)).status_code == 401
    assert (await read(course, course.lessons[0][0]))["version"] == 1
    admin = {"admin": await platform.person(role="admin")}
    for method, path in (("POST", lessons), ("PUT", lesson), ("DELETE", lesson)):
        assert (await statuses(admin, method, path, body))["admin"] in {200, 201}


@pytest.mark.parametrize("draft", ["course", "module", "lesson"])
async def test_others_do_not_know_of_what_is_in_a_draft(platform: TestPlatform, draft: str) -> None:
    course = await platform.course(lessons=1)
    lesson = lessons_path(course, course.lessons[0][0])
    path = {"course": path_of(course.id), "module": path_of(course.id, "modules", course.modules[0]), "lesson": lesson}
    data_of(await course.owner.put(path[draft], {"status": "draft"}))
    others = await strangers(platform)
    for method in ("GET", "PUT", "DELETE"):
        assert set((await statuses(others, method, lesson, {"title": "Mine"})).values()) == {404}
    assert (await anonymous(platform, "GET", lesson)).status_code == 404
    managers = {"owner": course.owner, "admin": await platform.person(role="admin")}
    for method in ("GET", "PUT"):
        assert set((await statuses(managers, method, lesson, {"preview": True})).values()) == {200}


async def test_a_lesson_is_whole_for_the_enrolled_and_as_a_preview(platform: TestPlatform) -> None:
    course = await platform.course(lessons=0)
    lesson_id = await platform.lesson(course.owner, course.id, course.modules[0], **TEACHES)
    path = lessons_path(course, lesson_id)
    learner, stranger = await platform.person(), await platform.person()
    await platform.enrollment(learner, course)
    for person, whole in ((learner, True), (stranger, False), (course.owner, True)):
        answer = await person.get(path)
        lesson = data_of(answer)
        assert (lesson["url"], lesson["content"]) == (tuple(TEACHES.values()) if whole else (None, None))
        assert ("etag" in answer.headers) is whole
    data_of(await course.owner.put(path, {"preview": True}))
    assert data_of(await stranger.get(path))["content"] == TEACHES["content"]
    assert data_of(await anonymous(platform, "GET", path))["url"] == TEACHES["url"]


async def test_a_lesson_is_not_found_elsewhere(platform: TestPlatform) -> None:
    course = await platform.course(modules=2, lessons=1)
    other = await platform.course(owner=course.owner)
    lesson_id = course.lessons[0][0]
    for path in (
        path_of(course.id, "modules", course.modules[1], "lessons", lesson_id),
        path_of(other.id, "modules", other.modules[0], "lessons", lesson_id),
        path_of(other.id, "lessons", lesson_id),
        path_of(course.id, "lessons", course.id),
    ):
        for method in ("GET", "PUT", "DELETE"):
            assert await statuses({"owner": course.owner}, method, path, {"title": "x"}) == {"owner": 404}
    body = {"title": "x", "type": "QUIZ"}
    path = path_of(other.id, "modules", course.modules[0], "lessons")
    assert (await course.owner.post(path, body)).status_code == 404


async def test_ten_at_once_get_ten_places(platform: TestPlatform) -> None:
    course = await platform.course(lessons=0)
    body = {"title": "One", "type": "QUIZ"}
    answers = await asyncio.gather(*(course.owner.post(lessons_path(course), body) for _ in range(10)))
    assert sorted(data_of(answer)["order"] for answer in answers) == list(range(1, 11))


async def test_a_course_has_room_for_so_many_lessons(platform: TestPlatform) -> None:
    course = await platform.course(lessons=0)
    async with platform.database("courses").transaction() as tx:
        await tx.execute(
            """
            INSERT INTO lessons (id, course_id, module_id, title, type, preview, position, status, created_at,
                                 updated_at)
            SELECT gen_random_uuid(), $1, $2, 'Many', 'QUIZ', false, n, 'draft', now(), now()
              FROM generate_series(1, 1000) AS n
            """,
            course.id,
            course.modules[0],
        )
    answer = await course.owner.post(lessons_path(course), {"title": "One too many", "type": "QUIZ"})
    assert (answer.status_code, answer.json()["error"]["message"]) == (409, "A course may have at most 1000 lessons.")


async def test_other_services_read_lessons_drafts_too(platform: TestPlatform) -> None:
    course = await platform.course(lessons=0)
    lesson_id = await platform.lesson(course.owner, course.id, course.modules[0], status="draft", duration=5)
    client = platform.context("progress").http("courses")
    state = await client.get(f"/internal/lessons/{lesson_id}", reply=LessonState)
    assert (state.course_id, state.module_id, state.duration, state.status) == (
        course.id,
        course.modules[0],
        5,
        "draft",
    )
    assert await client.find(f"/internal/lessons/{course.id}", reply=LessonState) is None
