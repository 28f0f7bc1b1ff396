"""The contents of a course's lessons: how much of them there may be in all."""

import asyncio

from tests.factories.courses import outline, path_of, published
from tests.factories.platform import Course, TestPlatform, data_of

REFUSAL = "The contents of a course's lessons may have at most 5000000 bytes together."
LONGEST = "\N{MUSICAL SYMBOL G CLEF}" * 100_000
"""400,000 bytes in as many characters as a lesson may have."""


async def filled(platform: TestPlatform, *, lessons: int, modules: int = 1) -> Course:
    """A course whose lessons are as long as they may be, so many in each module."""
    course = await platform.course(modules=modules, lessons=lessons)
    async with platform.database("courses").transaction() as tx:
        await tx.execute("UPDATE lessons SET content = $1", LONGEST)
    return course


def lessons_of(course: Course) -> str:
    return path_of(course.id, "modules", course.modules[0], "lessons")


async def test_a_lesson_that_takes_a_course_past_its_bytes_is_refused(platform: TestPlatform) -> None:
    course = await filled(platform, lessons=12)
    body = {"title": "One more", "type": "ARTICLE", "content": "x" * 100_000}
    for _ in range(2):
        data_of(await course.owner.post(lessons_of(course), body))
    one_byte = {**body, "content": "x"}
    answer = await course.owner.post(lessons_of(course), one_byte)
    assert (answer.status_code, answer.json()["error"]["message"]) == (409, REFUSAL)
    data_of(await course.owner.post(lessons_of(course), {**body, "content": None}))
    assert len(await published(platform, "Lesson-Creation")) == 15
    other = await platform.course(owner=course.owner)
    data_of(await course.owner.post(lessons_of(other), one_byte))


async def test_a_change_that_takes_a_course_past_its_bytes_is_refused(platform: TestPlatform) -> None:
    course = await filled(platform, lessons=12)
    last = await platform.lesson(course.owner, course.id, course.modules[0], content="x" * 100_000)
    path = path_of(course.id, "lessons", last)
    answer = await course.owner.put(path, {"title": "Longer", "content": LONGEST})
    assert (answer.status_code, answer.json()["error"]["message"]) == (409, REFUSAL)
    kept = data_of(await course.owner.get(path))
    assert (kept["title"], len(kept["content"]), kept["version"]) == ("A lesson", 100_000, 1)
    data_of(await course.owner.put(path, {"content": "\N{POUND SIGN}" * 100_000}))


async def test_a_course_past_its_bytes_may_be_changed_and_shortened(platform: TestPlatform) -> None:
    course = await filled(platform, lessons=13)
    path = path_of(course.id, "lessons", course.lessons[0][0])
    for change in ({"title": "New"}, {"order": 3}, {"content": LONGEST[1:]}):
        data_of(await course.owner.put(path, change))
    kept = data_of(await course.owner.get(path))
    assert (kept["title"], kept["order"], kept["content"]) == ("New", 3, LONGEST[1:])
    data_of(await course.owner.put(path, {"content": None}))


async def test_of_three_lessons_at_once_for_which_there_is_room_for_one_one_is_taken(platform: TestPlatform) -> None:
    course = await filled(platform, modules=3, lessons=4)
    body = {"title": "One more", "type": "ARTICLE", "content": LONGEST[:50_000]}
    async with platform.database("courses").transaction() as tx, asyncio.timeout(30):
        # Nobody writes a lesson until all three have come as far as they get.
        await tx.execute("LOCK TABLE lessons IN SHARE MODE")
        paths = [path_of(course.id, "modules", module, "lessons") for module in course.modules]
        writes = [asyncio.create_task(course.owner.post(path, body)) for path in paths]
        while await tx.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < len(writes):
            await asyncio.sleep(0.01)
    answers = await asyncio.gather(*writes)
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert {answer.json()["error"]["message"] for answer in answers if answer.status_code != 201} == {REFUSAL}


async def test_long_lessons_change_places_and_go_like_others(platform: TestPlatform) -> None:
    course = await filled(platform, lessons=12)
    ((module, lessons),) = outline(data_of(await course.owner.get(f"/api/courses/{course.id}/structure")))
    wanted = {"modules": [{"id": module, "lessons": lessons[::-1]}]}
    structure = data_of(await course.owner.put(path_of(course.id, "order"), wanted))
    assert outline(structure) == [(module, lessons[::-1])]
    assert {lesson["content"] for lesson in structure["modules"][0]["lessons"]} == {LONGEST}
    data_of(await course.owner.delete(path_of(course.id, "modules", module)))
    assert len(await published(platform, "Lesson-Deleted")) == 12
