"""Courses: made, changed, read, and by whom."""

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from moocflix.services.courses.course.model import CourseFields, TextTooLong, language_tag
from tests.factories.courses import COURSE, anonymous, etag, faults, path_of, published, statuses, strangers
from tests.factories.platform import Person, TestPlatform, data_of


async def test_a_course_is_made_with_its_defaults(platform: TestPlatform) -> None:
    teacher = await platform.person(role="instructor", name="Jane Smith")
    answer = await teacher.post("/api/v1/courses", dict(COURSE))
    assert answer.status_code == 201
    made = data_of(answer)
    read = await teacher.get(f"/api/v1/courses/{made['courseId']}")
    course = data_of(read)
    assert (answer.headers["etag"], read.headers["etag"]) == ('"1"', '"1"')
    assert {name: course[name] for name in COURSE} == dict(COURSE)
    assert (course["status"], course["language"], course["tags"], course["coverImageUrl"]) == ("draft", "en", [], None)
    assert (course["instructor"], course["instructorId"]) == ("Jane Smith", str(teacher.id))
    counts = ("rating", "ratingCount", "duration", "moduleCount", "lessonCount", "studentCount")
    assert [course[name] for name in counts] == [0] * 6
    assert (course["publishedAt"], course["version"]) == (None, 1)


async def test_both_paths_make_courses(platform: TestPlatform) -> None:
    teacher = await platform.person(role="instructor")
    for path in ("/api/v1/courses", "/api/v1/courses/create"):
        assert (await teacher.post(path, dict(COURSE))).status_code == 201


async def test_a_new_course_is_told_of(platform: TestPlatform) -> None:
    teacher = await platform.person(role="instructor")
    course_id = data_of(await teacher.post("/api/v1/courses", {**COURSE, "price": 19.9}))["courseId"]
    (event,) = await published(platform, "Course-Creation")
    assert (event["courseId"], event["instructorId"], event["version"]) == (course_id, str(teacher.id), 1)
    assert (event["price"], event["status"]) == (19.9, "draft")


async def test_only_instructors_and_admins_make_courses(platform: TestPlatform) -> None:
    people = {role: await platform.person(role=role) for role in ("student", "instructor", "admin")}
    assert await statuses(people, "POST", "/api/v1/courses", dict(COURSE)) == {
        "student": 403,
        "instructor": 201,
        "admin": 201,
    }
    assert (await anonymous(platform, "POST", "/api/v1/courses", dict(COURSE))).status_code == 401
    assert len(await published(platform, "Course-Creation")) == 2


BAD_FIELDS: list[tuple[str, Any]] = [
    ("title", ""),
    ("title", "   "),
    ("title", "\u200b"),
    ("category", "\u2060 \ufeff"),
    ("title", "x" * 201),
    ("title", 7),
    ("title", None),
    ("description", "x" * 20_001),
    ("category", " "),
    ("category", "x" * 101),
    ("difficulty", "Easy"),
    ("price", -1),
    ("price", 1.999),
    ("price", 100_000_001),
    ("price", "NaN"),
    ("price", "49.99"),
    ("price", "1_0"),
    ("price", " 5 "),
    ("price", 10**400),
    ("price", True),
    ("price", "cheap"),
    ("currency", "usd"),
    ("currency", "XYZ"),
    ("currency", "DOLLAR"),
    ("coverImageUrl", "ftp://example.org/a.jpg"),
    ("coverImageUrl", "javascript:alert(1)"),
    ("coverImageUrl", "/a.jpg"),
    ("coverImageUrl", "https://"),
    ("coverImageUrl", "https://[::1"),
    ("coverImageUrl", "https://example.org:0/"),
    ("coverImageUrl", "https://example.org/a b"),
    ("coverImageUrl", "https://example.org/" + "x" * 2048),
    ("tags", ["x"] * 21),
    ("language", "e"),
    ("language", "en_US"),
    ("language", "x" * 36),
    ("status", "open"),
]


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS)
async def test_a_bad_field_is_named_and_nothing_is_made(platform: TestPlatform, field: str, value: Any) -> None:
    teacher = await platform.person(role="instructor")
    assert faults(await teacher.post("/api/v1/courses", {**COURSE, field: value})) == [field]
    assert await published(platform, "Course-Creation") == []


@pytest.mark.parametrize("tags", [[" "], ["\u200b"], ["x" * 51], "python", [7]])
async def test_bad_tags_are_refused(platform: TestPlatform, tags: Any) -> None:
    teacher = await platform.person(role="instructor")
    assert faults(await teacher.post("/api/v1/courses", {**COURSE, "tags": tags}))[0].startswith("tags")


@pytest.mark.parametrize("field", sorted(COURSE))
async def test_a_missing_field_is_named(platform: TestPlatform, field: str) -> None:
    teacher = await platform.person(role="instructor")
    body = {name: value for name, value in COURSE.items() if name != field}
    assert faults(await teacher.post("/api/v1/courses", body)) == [field]


async def test_what_is_not_json_is_refused(platform: TestPlatform) -> None:
    teacher = await platform.person(role="instructor")
    for body in (b"{", b"", b"[]", b'"text"', b"null"):
        answer = await teacher.post("/api/v1/courses", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400


async def test_fields_are_kept_trimmed_and_in_their_usual_spelling(platform: TestPlatform) -> None:
    teacher = await platform.person(role="instructor")
    body = {
        **COURSE,
        "title": "  Größe  ",
        "tags": [" Python ", "python", "Web"],
        "language": "PT-br",
        "coverImageUrl": "https://example.org/cover.jpg?x=1#y",
    }
    course_id = data_of(await teacher.post("/api/v1/courses", body))["courseId"]
    course = data_of(await teacher.get(f"/api/v1/courses/{course_id}"))
    assert (course["title"], course["tags"], course["language"]) == ("Größe", ["Python", "Web"], "pt-BR")
    assert course["coverImageUrl"] == body["coverImageUrl"]


@pytest.mark.parametrize(
    ("sent", "kept"), [("EN", "en"), ("zh-hant-tw", "zh-Hant-TW"), ("ES-419", "es-419"), ("ast", "ast")]
)
def test_a_language_is_spelt_as_it_should_be(sent: str, kept: str) -> None:
    assert language_tag(sent) == kept


def test_the_rules_hold_for_whoever_makes_a_course() -> None:
    fields = CourseFields(
        title="x" * 201, description="", category="c", difficulty="Beginner", price=Decimal(0), currency="EUR"
    )
    with pytest.raises(TextTooLong):
        fields.checked()


async def with_price(teacher: Person, written: str) -> httpx.Response:
    """A new course, its price written like this in the JSON."""
    body = json.dumps({**COURSE, "status": "published", "price": "?"}).replace('"?"', written)
    return await teacher.post("/api/v1/courses", content=body, headers={"content-type": "application/json"})


@pytest.mark.parametrize("written", ["49.999", "1e400", "1e999999999", "1e-999999999", "1e99999999999999999999"])
async def test_a_price_out_of_bounds_is_refused_however_it_is_written(platform: TestPlatform, written: str) -> None:
    assert faults(await with_price(await platform.person(role="instructor"), written)) == ["price"]


@pytest.mark.parametrize(
    ("sent", "shown"), [("0.1", "0.10"), ("49.99", "49.99"), ("1e2", "100.00"), ("-0", "0.00"), ("5.000", "5.00")]
)
async def test_money_stays_exact(platform: TestPlatform, sent: str, shown: str) -> None:
    teacher = await platform.person(role="instructor")
    course_id = data_of(await with_price(teacher, sent))["courseId"]
    assert f'"price":{shown},' in (await teacher.get(f"/api/v1/courses/{course_id}")).text


async def test_both_paths_change_courses(platform: TestPlatform) -> None:
    course = await platform.course()
    for number, path in enumerate((path_of(course.id), path_of(course.id, "update")), 2):
        answer = await course.owner.put(path, {"title": f"Title {number}"})
        assert (answer.status_code, answer.headers["etag"], data_of(answer)["version"]) == (200, f'"{number}"', number)
    events = await published(platform, "Course-Update")
    assert [(event["title"], event["version"]) for event in events] == [("Title 2", 2), ("Title 3", 3)]


async def test_what_an_update_leaves_out_stays(platform: TestPlatform) -> None:
    course = await platform.course(price=5, tags=["a"], coverImageUrl="https://example.org/a.png")
    before = data_of(await course.owner.get(path_of(course.id)))
    data_of(await course.owner.put(path_of(course.id), {"price": 7.5, "coverImageUrl": None}))
    after = data_of(await course.owner.get(path_of(course.id)))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"price", "coverImageUrl", "version", "updatedAt"}
    assert (after["price"], after["coverImageUrl"]) == (7.5, None)


async def test_saying_what_is_so_already_changes_nothing(platform: TestPlatform) -> None:
    course = await platform.course(title="The same")
    for body in ({}, {"title": " The same "}, {"unknown": 1}):
        assert data_of(await course.owner.put(path_of(course.id), body))["version"] == 1
    assert await published(platform, "Course-Update") == []


@pytest.mark.parametrize(("field", "value"), [*BAD_FIELDS, ("tags", None), ("price", None), ("status", None)])
async def test_a_bad_update_is_refused(platform: TestPlatform, field: str, value: Any) -> None:
    course = await platform.course()
    assert faults(await course.owner.put(path_of(course.id), {"category": "Changed", field: value})) == [field]
    assert data_of(await course.owner.get(path_of(course.id)))["category"] != "Changed"


async def test_an_update_of_what_was_read_long_ago_is_refused(platform: TestPlatform) -> None:
    course = await platform.course()
    path = path_of(course.id)
    assert (await course.owner.put(path, {"title": "First"}, headers=etag(1))).status_code == 200
    assert (await course.owner.put(path, {"title": "Second"}, headers=etag(1))).status_code == 412
    assert (await course.owner.put(path, {"title": "Third"}, headers={"if-match": "*"})).status_code == 200
    assert (await course.owner.put(path, {"title": "Fourth"}, headers={"if-match": "old"})).status_code == 400
    assert data_of(await course.owner.get(path))["title"] == "Third"


async def test_a_published_course_is_anybodys_to_read_and_its_owners_to_change(platform: TestPlatform) -> None:
    course = await platform.course()
    others = await strangers(platform)
    assert set((await statuses(others, "GET", path_of(course.id))).values()) == {200}
    assert (await anonymous(platform, "GET", path_of(course.id))).status_code == 200
    assert set((await statuses(others, "PUT", path_of(course.id), {"title": "Mine now"})).values()) == {403}
    assert (await anonymous(platform, "PUT", path_of(course.id), {"title": "Mine"})).status_code == 401
    assert await published(platform, "Course-Update") == []
    managers = {"owner": course.owner, "admin": await platform.person(role="admin")}
    assert set((await statuses(managers, "PUT", path_of(course.id), {"title": "New"})).values()) == {200}


async def test_a_draft_is_there_for_its_owner_and_admins_alone(platform: TestPlatform) -> None:
    course = await platform.course(published=False)
    others = await strangers(platform)
    assert set((await statuses(others, "GET", path_of(course.id))).values()) == {404}
    assert (await anonymous(platform, "GET", path_of(course.id))).status_code == 404
    assert set((await statuses(others, "PUT", path_of(course.id), {"title": "Mine now"})).values()) == {404}
    managers = {"owner": course.owner, "admin": await platform.person(role="admin")}
    assert set((await statuses(managers, "GET", path_of(course.id))).values()) == {200}
    assert set((await statuses(managers, "PUT", path_of(course.id), {"title": "New"})).values()) == {200}


async def test_publishing_and_taking_back_is_seen_at_once(platform: TestPlatform) -> None:
    course = await platform.course(published=False)
    for status, found in (("published", 200), ("draft", 404), ("published", 200)):
        data_of(await course.owner.put(path_of(course.id), {"status": status}))
        assert (await anonymous(platform, "GET", path_of(course.id))).status_code == found


async def test_a_course_keeps_the_day_of_its_first_publishing(platform: TestPlatform) -> None:
    course = await platform.course()
    first = data_of(await course.owner.get(path_of(course.id)))["publishedAt"]
    for status in ("draft", "published"):
        data_of(await course.owner.put(path_of(course.id), {"status": status}))
    assert data_of(await course.owner.get(path_of(course.id)))["publishedAt"] == first


@pytest.mark.parametrize("course_id", ["01a1fd4f-5606-7436-ab47-d574e38eb31a", "no-id", "1"])
async def test_a_course_that_is_not_there_is_not_found(platform: TestPlatform, course_id: str) -> None:
    teacher = await platform.person(role="instructor")
    path = f"/api/v1/courses/{course_id}"
    for answer in (await teacher.get(path), await teacher.put(path, {"title": "x"}), await teacher.delete(path)):
        assert answer.status_code == 404


async def test_the_instructors_new_name_is_shown(platform: TestPlatform) -> None:
    course = await platform.course()
    data_of(await course.owner.put("/api/v1/users/profile/update", {"name": "Jane Doe"}))
    await platform.settle()
    read = await course.owner.get(path_of(course.id))
    assert (data_of(read)["instructor"], read.headers["etag"]) == ("Jane Doe", '"1"')


async def test_students_are_counted_outside_the_courses_version(platform: TestPlatform) -> None:
    course = await platform.course()
    learners = [await platform.person() for _ in range(3)]
    enrollments = [await platform.enrollment(learner, course) for learner in learners]
    read = await course.owner.get(path_of(course.id))
    assert (data_of(read)["studentCount"], read.headers["etag"]) == (3, '"1"')
    data_of(await learners[0].delete(f"/api/enrollments/{enrollments[0]}"))
    await platform.settle()
    assert data_of(await course.owner.get(path_of(course.id)))["studentCount"] == 2
    await platform.enrollment(learners[0], course)
    assert data_of(await course.owner.get(path_of(course.id)))["studentCount"] == 3
    assert await published(platform, "Course-Update") == []


async def test_a_course_is_never_called_unchanged(platform: TestPlatform) -> None:
    course = await platform.course()
    path, known = path_of(course.id), {"if-none-match": '"1"'}
    await platform.enrollment(await platform.person(), course)
    for answer in (  # a fresh one, one out of the byte cache, and the owner's own
        await platform.http.get(path, headers=known),
        await platform.http.get(path, headers=known),
        await course.owner.get(path, headers=known),
    ):
        assert (data_of(answer)["studentCount"], answer.headers["etag"]) == (1, '"1"')
        assert answer.headers["cache-control"] == "no-store"
