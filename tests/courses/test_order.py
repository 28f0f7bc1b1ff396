"""The order of a whole course, set at once."""

import asyncio
import random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moocflix.platform.ids import new_id
from moocflix.services.courses.module.model import moved, passed, placed
from moocflix.services.courses.structure.model import (
    IncompleteOrder,
    check_order,
    lesson_places,
    module_positions,
)
from tests.factories.courses import anonymous, etag, faults, outline, path_of, published, statuses, strangers
from tests.factories.platform import Course, TestPlatform, data_of

Outline = list[tuple[str, list[str]]]


async def structure(course: Course) -> Any:
    return data_of(await course.owner.get(f"/api/courses/{course.id}/structure"))


def body_of(order: Outline) -> dict[str, Any]:
    return {"modules": [{"id": module_id, "lessons": lesson_ids} for module_id, lesson_ids in order]}


async def test_modules_and_lessons_change_places_at_once(platform: TestPlatform) -> None:
    course = await platform.course(modules=2, lessons=2)
    (first, (one, two)), (second, (three, four)) = outline(await structure(course))
    wanted = [(second, [four, one, three]), (first, [two])]
    answer = await course.owner.put(path_of(course.id, "order"), body_of(wanted))
    assert outline(data_of(answer)) == wanted
    assert outline(await structure(course)) == wanted
    modules = {
        event["moduleId"]: (event["order"], event["version"]) for event in await published(platform, "Module-Updated")
    }
    assert modules == {second: (1, 2), first: (2, 2)}
    lessons = {
        event["lessonId"]: (event["moduleId"], event["order"], event["version"])
        for event in await published(platform, "Lesson-Updated")
    }
    assert lessons == {four: (second, 1, 2), one: (second, 2, 2), three: (second, 3, 2), two: (first, 1, 2)}


async def test_the_structure_as_it_was_read_will_do(platform: TestPlatform) -> None:
    course = await platform.course(modules=2, lessons=2)
    read = await structure(course)
    read["modules"].reverse()
    assert outline(data_of(await course.owner.put(path_of(course.id, "order"), read))) == outline(read)


async def test_the_order_that_is_there_changes_nothing(platform: TestPlatform) -> None:
    course = await platform.course(modules=2, lessons=2)
    before = await structure(course)
    assert data_of(await course.owner.put(path_of(course.id, "order"), before)) == before
    assert await published(platform, "Module-Updated") == []
    assert await published(platform, "Lesson-Updated") == []


async def test_a_module_may_lose_all_its_lessons(platform: TestPlatform) -> None:
    course = await platform.course(modules=2, lessons=1)
    (first, (one,)), (second, (two,)) = outline(await structure(course))
    data_of(await course.owner.put(path_of(course.id, "modules", second), {"status": "draft"}))
    wanted = [(first, []), (second, [two, one])]
    assert outline(data_of(await course.owner.put(path_of(course.id, "order"), body_of(wanted)))) == wanted
    details = data_of(await course.owner.get(path_of(course.id)))
    assert (details["moduleCount"], details["lessonCount"]) == (1, 0)


@pytest.mark.parametrize(
    "fault",
    ["a module is missing", "a lesson is missing", "twice", "twice elsewhere", "unknown", "of another course", "empty"],
)
async def test_an_order_that_does_not_name_each_once_is_refused(platform: TestPlatform, fault: str) -> None:
    course = await platform.course(modules=2, lessons=2)
    before = await structure(course)
    (first, (one, two)), (second, (three, four)) = outline(before)
    other = outline(await structure(await platform.course(owner=course.owner)))[0]
    wrong: dict[str, Outline] = {
        "a module is missing": [(first, [one, two, three, four])],
        "a lesson is missing": [(second, [three, four]), (first, [one])],
        "twice": [(second, [three, four, three]), (first, [one, two])],
        "twice elsewhere": [(second, [three, four]), (first, [one, two, three])],
        "unknown": [(second, [three, four, str(new_id())]), (first, [one, two])],
        "of another course": [(second, [three, four]), (first, [one, two]), other],
        "empty": [],
    }
    assert faults(await course.owner.put(path_of(course.id, "order"), body_of(wrong[fault]))) == ["modules"]
    assert await structure(course) == before


async def test_a_body_full_of_made_up_ids_is_refused(platform: TestPlatform) -> None:
    course = await platform.course()
    answer = await course.owner.put(path_of(course.id, "order"), body_of([(str(new_id()), [])] * 10_001))
    assert faults(answer) == ["modules"]
    assert "10000" in answer.json()["error"]["message"]
    made_up = [str(new_id()) for _ in range(25_000)]
    answer = await course.owner.put(path_of(course.id, "order"), body_of([(str(course.modules[0]), made_up)]))
    assert faults(answer) == ["modules"]
    assert f"{made_up[0]} is not in the course" in answer.json()["error"]["message"]


@pytest.mark.parametrize("body", [{}, {"modules": None}, {"modules": [{"id": "x"}]}, {"modules": [{"lessons": []}]}])
async def test_what_is_no_order_is_refused(platform: TestPlatform, body: Any) -> None:
    course = await platform.course()
    assert (await course.owner.put(path_of(course.id, "order"), body)).status_code == 400


async def test_an_order_of_what_was_read_long_ago_is_refused(platform: TestPlatform) -> None:
    course = await platform.course(modules=2)
    read = await course.owner.get(f"/api/courses/{course.id}/structure")
    version = data_of(read)["version"]
    assert read.headers["etag"] == f'"{version}"'
    data_of(await course.owner.put(path_of(course.id, "modules", course.modules[0]), {"title": "Changed"}))
    wanted = body_of(outline(data_of(read))[::-1])
    assert (await course.owner.put(path_of(course.id, "order"), wanted, headers=etag(version))).status_code == 412
    answer = await course.owner.put(path_of(course.id, "order"), wanted, headers=etag(version + 1))
    assert (answer.status_code, answer.headers["etag"]) == (200, f'"{version + 2}"')


async def test_others_do_not_set_the_order(platform: TestPlatform) -> None:
    course = await platform.course(modules=2)
    before = await structure(course)
    wanted = body_of(outline(before)[::-1])
    others = await strangers(platform)
    path = path_of(course.id, "order")
    assert set((await statuses(others, "PUT", path, wanted)).values()) == {403}
    assert (await anonymous(platform, "PUT", path, wanted)).status_code == 401
    data_of(await course.owner.put(path_of(course.id), {"status": "draft"}))
    assert set((await statuses(others, "PUT", path, wanted)).values()) == {404}
    assert outline(await structure(course)) == outline(before)
    admin = await platform.person(role="admin")
    assert (await admin.put(path, wanted)).status_code == 200


async def test_of_two_orders_at_once_one_holds_wholly(platform: TestPlatform) -> None:
    course = await platform.course(modules=3, lessons=3)
    lessons = [lesson for _, of_module in outline(await structure(course)) for lesson in of_module]
    modules = [str(module) for module in course.modules]
    chance = random.Random(7)
    wanted: list[Outline] = []
    for _ in range(6):
        chance.shuffle(lessons)
        chance.shuffle(modules)
        wanted.append([(modules[0], lessons[:4]), (modules[1], lessons[4:]), (modules[2], [])])
    answers = await asyncio.gather(*(course.owner.put(path_of(course.id, "order"), body_of(one)) for one in wanted))
    assert [outline(data_of(answer)) for answer in answers] == wanted
    assert outline(await structure(course)) in wanted


async def test_orders_and_additions_at_once_leave_no_gap(platform: TestPlatform) -> None:
    course = await platform.course(modules=3, lessons=2)
    read = outline(await structure(course))
    calls = [course.owner.put(path_of(course.id, "order"), body_of(read[::-1])) for _ in range(3)]
    calls += [course.owner.post(path_of(course.id, "modules"), {"title": "New", "order": 1}) for _ in range(3)]
    calls += [course.owner.delete(path_of(course.id, "lessons", course.lessons[1][0]))]
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} <= {200, 201, 400}
    after = await structure(course)
    assert [module["order"] for module in after["modules"]] == [1, 2, 3, 4, 5, 6]
    for module in after["modules"]:
        assert [lesson["order"] for lesson in module["lessons"]] == list(range(1, len(module["lessons"]) + 1))


Steps = st.lists(
    st.tuples(st.sampled_from(["add", "move", "delete"]), st.integers(0, 7), st.none() | st.integers(1, 9)),
    max_size=12,
)


@given(steps=Steps)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_happens_the_modules_are_those_of_a_list(platform: TestPlatform, steps: Any) -> None:
    course = await platform.course(modules=0)
    expected: list[str] = []
    for verb, which, order in steps:
        if verb == "add":
            made = data_of(await course.owner.post(path_of(course.id, "modules"), {"title": "M", "order": order}))
            expected.insert(len(expected) if order is None else order - 1, made["moduleId"])
        elif expected:
            module_id = expected.pop(which % len(expected))
            path = path_of(course.id, "modules", module_id)
            if verb == "delete":
                data_of(await course.owner.delete(path))
            else:
                changed = data_of(await course.owner.put(path, {"order": order or 1}))
                expected.insert((order or 1) - 1, module_id)
                assert changed["order"] == expected.index(module_id) + 1
    modules = (await structure(course))["modules"]
    assert [(module["order"], module["id"]) for module in modules] == list(enumerate(expected, 1))


@given(data=st.data(), count=st.integers(1, 30))
def test_a_move_steps_over_exactly_those_between(data: st.DataObject, count: int) -> None:
    old = data.draw(st.integers(1, count))
    order = data.draw(st.none() | st.integers(1, 40))
    new = moved(old, order, count=count)
    first, last, by = passed(old, new)
    places = {one: one + by if first <= one <= last else one for one in range(1, count + 1)}
    places[old] = new
    assert sorted(places.values()) == list(range(1, count + 1))
    assert 1 <= placed(order, count=count) <= count + 1


Outlines = st.lists(st.lists(st.uuids(), max_size=5), max_size=5)


@given(parts=Outlines, chance=st.randoms(use_true_random=False))
def test_every_rearrangement_is_an_order_and_gives_each_one_place(parts: list[list[UUID]], chance: Any) -> None:
    modules = [new_id() for _ in parts]
    lessons = list({lesson for part in parts for lesson in part})
    shuffled = chance.sample(modules, len(modules))
    order: list[tuple[UUID, list[UUID]]] = [(module, []) for module in shuffled]
    for lesson in lessons if order else []:
        chance.choice(order)[1].append(lesson)
    named = [lesson for _, of_module in order for lesson in of_module]
    check_order(order, modules=modules, lessons=named)
    assert sorted(module_positions(order).values()) == list(range(1, len(modules) + 1))
    assert set(lesson_places(order)) == set(named)
    assert len(set(lesson_places(order).values())) == len(named)


@given(modules=st.lists(st.uuids(), min_size=1, max_size=6, unique=True), data=st.data())
def test_one_too_many_or_too_few_is_no_order(modules: list[UUID], data: st.DataObject) -> None:
    one = data.draw(st.sampled_from(modules))
    for wrong in ([*modules, one], [*modules, new_id()], [module for module in modules if module != one]):
        with pytest.raises(IncompleteOrder):
            check_order([(module, []) for module in wrong], modules=modules, lessons=[])


class Compared(UUID):
    """An id that counts how often ids are compared."""

    times = 0

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return super().__eq__(other)

    __hash__ = UUID.__hash__


def test_a_long_order_is_not_compared_each_with_each() -> None:
    there = [new_id() for _ in range(1000)]
    named = [Compared(one.hex) for one in [*there, there[-1]]]
    with pytest.raises(IncompleteOrder, match="is named twice"):
        check_order([(module, []) for module in named], modules=there, lessons=[])
    assert Compared.times < 10 * len(named)
