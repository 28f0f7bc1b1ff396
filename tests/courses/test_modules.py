"""Modules: added, changed, moved, deleted, listed, and by whom."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from moocflix.contracts.courses import ModuleState
from tests.factories.courses import anonymous, etag, faults, path_of, published, statuses, strangers
from tests.factories.platform import Person, TestPlatform, data_of


async def titles(person: Person, course_id: UUID) -> list[str]:
    """The modules that somebody sees, in their order, each at its position."""
    modules = data_of(await person.get(path_of(course_id, "modules")))["modules"]
    assert [module["order"] for module in modules] == sorted(module["order"] for module in modules)
    return [module["title"] for module in modules]


async def add(person: Person, course_id: UUID, title: str, **fields: Any) -> UUID:
    """Add a module."""
    return UUID(data_of(await person.post(path_of(course_id, "modules"), {"title": title, **fields}))["moduleId"])


async def test_both_paths_add_modules_and_the_last_is_last(platform: TestPlatform) -> None:
    course = await platform.course(modules=0)
    for order, path in enumerate((path_of(course.id, "modules"), path_of(course.id, "modules", "create")), 1):
        answer = await course.owner.post(path, {"title": f"Module {order}"})
        made = data_of(answer)
        assert (answer.status_code, made["order"], answer.headers["etag"]) == (201, order, '"1"')
    assert await titles(course.owner, course.id) == ["Module 1", "Module 2"]


async def test_a_module_is_a_draft_unless_it_says_otherwise(platform: TestPlatform) -> None:
    course = await platform.course(modules=0)
    await add(course.owner, course.id, "Draft")
    await add(course.owner, course.id, "Open", status="published")
    student = await platform.person()
    assert await titles(course.owner, course.id) == ["Draft", "Open"]
    assert await titles(student, course.id) == ["Open"]
    assert [event["status"] for event in await published(platform, "Module-Creation")] == ["draft", "published"]


@pytest.mark.parametrize(("order", "expected"), [(1, "NABC"), (2, "ANBC"), (3, "ABNC"), (4, "ABCN"), (99, "ABCN")])
async def test_a_module_is_put_at_its_place(platform: TestPlatform, order: int, expected: str) -> None:
    course = await platform.course(modules=0)
    for title in "ABC":
        await add(course.owner, course.id, title)
    await add(course.owner, course.id, "N", order=order)
    assert "".join(await titles(course.owner, course.id)) == expected
    moved = {
        event["title"]: (event["order"], event["version"]) for event in await published(platform, "Module-Updated")
    }
    assert moved == {title: (place, 2) for place, title in enumerate(expected, 1) if title in "ABC"[order - 1 :]}


@pytest.mark.parametrize(
    ("title", "order", "expected"), [("A", 3, "BCA"), ("C", 1, "CAB"), ("B", 9, "ACB"), ("B", 2, "ABC")]
)
async def test_a_module_moves_and_the_others_make_room(
    platform: TestPlatform, title: str, order: int, expected: str
) -> None:
    course = await platform.course(modules=0)
    ids = {name: await add(course.owner, course.id, name) for name in "ABC"}
    data_of(await course.owner.put(path_of(course.id, "modules", ids[title]), {"order": order}))
    assert "".join(await titles(course.owner, course.id)) == expected
    moved = {event["title"]: event["order"] for event in await published(platform, "Module-Updated")}
    assert moved == {name: place for place, name in enumerate(expected, 1) if "ABC".index(name) + 1 != place}


async def test_both_paths_change_modules(platform: TestPlatform) -> None:
    course = await platform.course()
    module = path_of(course.id, "modules", course.modules[0])
    for version, path in enumerate((module, f"{module}/update"), 2):
        answer = await course.owner.put(path, {"title": f"Title {version}"}, headers=etag(version - 1))
        assert (data_of(answer)["version"], answer.headers["etag"]) == (version, f'"{version}"')
    assert (await course.owner.put(module, {"title": "Late"}, headers=etag(1))).status_code == 412
    read = await course.owner.get(module)
    assert (data_of(read)["title"], data_of(read)["lessonCount"], read.headers["etag"]) == ("Title 3", 1, '"3"')
    assert [event["version"] for event in await published(platform, "Module-Updated")] == [2, 3]


async def test_saying_what_is_so_already_changes_nothing(platform: TestPlatform) -> None:
    course = await platform.course()
    for body in ({}, {"title": "Module 1"}, {"order": 1}, {"order": 7}, {"status": "published"}):
        answer = await course.owner.put(path_of(course.id, "modules", course.modules[0]), body)
        assert data_of(answer)["version"] == 1
    assert await published(platform, "Module-Updated") == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("title", " "),
        ("title", "x" * 201),
        ("title", None),
        ("order", 0),
        ("order", "1"),
        ("status", "x"),
    ],
)
async def test_a_bad_field_is_named(platform: TestPlatform, field: str, value: Any) -> None:
    course = await platform.course()
    body = {"title": "New", field: value}
    assert faults(await course.owner.post(path_of(course.id, "modules"), body)) == [field]
    assert faults(await course.owner.put(path_of(course.id, "modules", course.modules[0]), body)) == [field]
    assert await titles(course.owner, course.id) == ["Module 1"]


@pytest.mark.parametrize("suffix", ["", "/delete"])
async def test_a_module_goes_with_its_lessons_and_those_behind_it_move_up(platform: TestPlatform, suffix: str) -> None:
    course = await platform.course(modules=3, lessons=2)
    module = course.modules[1]
    assert (await course.owner.delete(path_of(course.id, "modules", module) + suffix)).status_code == 200
    assert await titles(course.owner, course.id) == ["Module 1", "Module 3"]
    (gone,) = await published(platform, "Module-Deleted")
    assert (gone["moduleId"], gone["courseId"], gone["version"]) == (str(module), str(course.id), 2)
    lessons = await published(platform, "Lesson-Deleted")
    assert [(lesson["lessonId"], lesson["version"]) for lesson in lessons] == [(str(id), 2) for id in course.lessons[1]]
    (moved,) = await published(platform, "Module-Updated")
    assert (moved["moduleId"], moved["order"]) == (str(course.modules[2]), 2)
    details = data_of(await course.owner.get(path_of(course.id)))
    assert (details["moduleCount"], details["lessonCount"]) == (2, 4)
    assert (await course.owner.delete(path_of(course.id, "modules", module))).status_code == 404


async def test_a_deletion_of_what_was_read_long_ago_is_refused(platform: TestPlatform) -> None:
    course = await platform.course()
    path = path_of(course.id, "modules", course.modules[0])
    data_of(await course.owner.put(path, {"title": "Changed"}))
    assert (await course.owner.delete(path, headers=etag(1))).status_code == 412
    assert (await course.owner.delete(path, headers=etag(2))).status_code == 200


async def test_others_may_read_a_published_courses_modules_and_not_change_them(platform: TestPlatform) -> None:
    course = await platform.course()
    others = await strangers(platform)
    modules, module = path_of(course.id, "modules"), path_of(course.id, "modules", course.modules[0])
    for path in (modules, module):
        assert set((await statuses(others, "GET", path)).values()) == {200}
        assert (await anonymous(platform, "GET", path)).status_code == 200
    for method, path in (("POST", modules), ("PUT", module), ("DELETE", module)):
        assert set((await statuses(others, method, path, {"title": "Mine"})).values()) == {403}
        assert (await anonymous(platform, method, path, {"title": "Mine"})).status_code == 401
    assert await titles(course.owner, course.id) == ["Module 1"]
    admin = {"admin": await platform.person(role="admin")}
    for method, path in (("POST", modules), ("PUT", module), ("DELETE", module)):
        assert (await statuses(admin, method, path, {"title": "Admin's"}))["admin"] in {200, 201}


async def test_others_do_not_know_of_a_drafts_modules(platform: TestPlatform) -> None:
    course = await platform.course(published=False)
    others = await strangers(platform)
    modules, module = path_of(course.id, "modules"), path_of(course.id, "modules", course.modules[0])
    for method, path in (("GET", modules), ("GET", module), ("POST", modules), ("PUT", module), ("DELETE", module)):
        assert set((await statuses(others, method, path, {"title": "Mine"})).values()) == {404}
    assert (await anonymous(platform, "GET", modules)).status_code == 404
    assert await titles(course.owner, course.id) == ["Module 1"]


async def test_others_do_not_know_of_a_published_courses_draft_modules(platform: TestPlatform) -> None:
    course = await platform.course(modules=0)
    module = path_of(course.id, "modules", await add(course.owner, course.id, "Draft"))
    others = await strangers(platform)
    for method in ("GET", "PUT", "DELETE"):
        assert set((await statuses(others, method, module, {"title": "Mine"})).values()) == {404}
    assert (await course.owner.get(module)).status_code == 200


async def test_a_module_is_never_called_unchanged(platform: TestPlatform) -> None:
    course = await platform.course(lessons=1)
    path, known = path_of(course.id, "modules", course.modules[0]), {"if-none-match": '"1"'}
    data_of(await course.owner.delete(path_of(course.id, "lessons", course.lessons[0][0])))
    for answer in (await platform.http.get(path, headers=known), await course.owner.get(path, headers=known)):
        assert (data_of(answer)["lessonCount"], answer.headers["etag"]) == (0, '"1"')
        assert answer.headers["cache-control"] == "no-store"


async def test_a_module_is_not_found_in_another_course(platform: TestPlatform) -> None:
    course = await platform.course()
    other = await platform.course(owner=course.owner)
    path = path_of(other.id, "modules", course.modules[0])
    for answer in (
        await course.owner.get(path),
        await course.owner.put(path, {"title": "x"}),
        await course.owner.delete(path),
    ):
        assert answer.status_code == 404


async def test_modules_come_in_pages(platform: TestPlatform) -> None:
    course = await platform.course(modules=5, lessons=0)
    seen, cursor = [], ""
    for _ in range(3):
        data = data_of(await course.owner.get(path_of(course.id, "modules") + f"?limit=2{cursor}"))
        seen += [module["order"] for module in data["modules"]]
        cursor = f"&cursor={data['nextCursor']}"
    assert (seen, cursor) == ([1, 2, 3, 4, 5], "&cursor=None")
    for bad in ("limit=0", "limit=101", "cursor=x", "cursor=WzFlOTld"):
        assert (await course.owner.get(path_of(course.id, "modules") + f"?{bad}")).status_code == 400


async def test_twenty_at_once_get_twenty_places(platform: TestPlatform) -> None:
    course = await platform.course(modules=0)
    path = path_of(course.id, "modules")
    answers = await asyncio.gather(*(course.owner.post(path, {"title": f"M{n}"}) for n in range(20)))
    assert sorted(data_of(answer)["order"] for answer in answers) == list(range(1, 21))
    assert len(await titles(course.owner, course.id)) == 20


async def test_a_course_has_room_for_so_many_modules(platform: TestPlatform) -> None:
    course = await platform.course(modules=0)
    database = platform.database("courses")
    async with database.transaction() as tx:
        await tx.execute(
            """
            INSERT INTO modules (id, course_id, title, position, status, created_at, updated_at)
            SELECT gen_random_uuid(), $1, 'Many', n, 'draft', now(), now() FROM generate_series(1, 200) AS n
            """,
            course.id,
        )
    answer = await course.owner.post(path_of(course.id, "modules"), {"title": "One too many"})
    assert (answer.status_code, answer.json()["error"]["message"]) == (409, "A course may have at most 200 modules.")


async def test_other_services_read_modules_drafts_too(platform: TestPlatform) -> None:
    course = await platform.course(modules=0)
    module_id = await add(course.owner, course.id, "Draft")
    client = platform.context("progress").http("courses")
    state = await client.get(f"/internal/modules/{module_id}", reply=ModuleState)
    assert (state.course_id, state.title, state.order, state.status, state.version) == (
        course.id,
        "Draft",
        1,
        "draft",
        1,
    )
    assert await client.find(f"/internal/modules/{course.id}", reply=ModuleState) is None
    assert (await platform.http.get(f"/internal/modules/{module_id}")).status_code == 404
