"""The catalogue: what is found, in which order, page by page."""

from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moocflix.platform.http.pagination import cursor_of
from moocflix.platform.ids import new_id
from tests.factories.courses import COURSE, faults, path_of
from tests.factories.platform import Course, Person, TestPlatform, data_of

PATHS = ("/api/v1/courses", "/api/courses/catalog/list")
LONGEST = 2**70


async def make(teacher: Person, title: str, **fields: Any) -> str:
    """A published course, its id."""
    body = {**COURSE, "title": title, "status": "published", **fields}
    course_id: str = data_of(await teacher.post("/api/v1/courses", body))["courseId"]
    return course_id


async def found(platform: TestPlatform, query: str = "", *, path: str = PATHS[0]) -> list[str]:
    """The titles of a page."""
    return [course["title"] for course in data_of(await platform.http.get(f"{path}?{query}"))["courses"]]


async def walk(platform: TestPlatform, query: str) -> list[str]:
    """The titles of all pages."""
    titles: list[str] = []
    cursor = ""
    while True:
        page = data_of(await platform.http.get(f"{PATHS[0]}?{query}{cursor}"))
        titles += [course["title"] for course in page["courses"]]
        if page["nextCursor"] is None:
            return titles
        cursor = f"&cursor={page['nextCursor']}"


@pytest.mark.parametrize("path", PATHS)
async def test_a_course_is_shown_as_in_a_catalogue(platform: TestPlatform, path: str) -> None:
    teacher = await platform.person(role="instructor", name="Jane Smith")
    cover = "https://example.com/cover.jpg"
    course = await platform.course(
        owner=teacher, modules=2, lessons=2, title="Python", price=49.99, coverImageUrl=cover, description="d" * 600
    )
    data_of(await teacher.put(path_of(course.id, "lessons", course.lessons[0][0]), {"duration": 7190}))
    await platform.enrollment(await platform.person(), await platform.course())
    (item,) = [one for one in data_of(await platform.http.get(path))["courses"] if one["title"] == "Python"]
    del item["listedAt"]
    assert item == {
        "courseId": str(course.id),
        "title": "Python",
        "instructor": "Jane Smith",
        "instructorId": str(teacher.id),
        "rating": 0,
        "ratingCount": 0,
        "duration": 120,
        "category": "Science",
        "coverImageUrl": cover,
        "description": "d" * 500,
        "price": 49.99,
        "currency": "USD",
        "difficulty": "Beginner",
        "tags": [],
        "language": "en",
        "status": "published",
        "moduleCount": 2,
        "lessonCount": 4,
        "studentCount": 0,
    }


async def test_drafts_are_not_found_but_by_their_owner(platform: TestPlatform) -> None:
    teacher, other = await platform.person(role="instructor"), await platform.person(role="instructor")
    await make(teacher, "Open")
    await make(teacher, "Draft", status="draft")
    await make(other, "Other")
    assert await found(platform) == ["Other", "Open"]
    mine = data_of(await teacher.get(PATHS[0] + "?mine=true"))["courses"]
    assert [(course["title"], course["status"]) for course in mine] == [("Draft", "draft"), ("Open", "published")]
    assert [one["title"] for one in data_of(await other.get(PATHS[1] + "?mine=true"))["courses"]] == ["Other"]
    assert [one["title"] for one in data_of(await teacher.get(PATHS[0] + "?mine=false"))["courses"]] == [
        "Other",
        "Open",
    ]
    assert (await platform.http.get(PATHS[0] + "?mine=true")).status_code == 401
    admin = await platform.person(role="admin")
    assert len(data_of(await admin.get(PATHS[0]))["courses"]) == 2


async def test_filters_narrow_it_down_and_combine(platform: TestPlatform) -> None:
    teacher, other = await platform.person(role="instructor"), await platform.person(role="instructor")
    await make(teacher, "A", category="Music", difficulty="Advanced", price=10, language="de", tags=["Piano"])
    await make(teacher, "B", category="music", difficulty="Beginner", price=20.5, language="en-GB", tags=["piano", "x"])
    await make(other, "C", category="Science", difficulty="Beginner", price=0, language="en")
    expected = {
        "category=MUSIC": "BA",
        "category=Mus": "",
        "difficulty=Beginner": "CB",
        "minPrice=10": "BA",
        "maxPrice=10": "CA",
        "minPrice=10.01&maxPrice=20.5": "B",
        "language=en": "CB",
        "language=EN-gb": "B",
        "tag=PIANO": "BA",
        "tag=x": "B",
        f"instructorId={other.id}": "C",
        f"instructorId={new_id()}": "",
        "category=music&difficulty=Beginner&minPrice=1&maxPrice=30&language=en&tag=piano": "B",
        "category=music&difficulty=Intermediate": "",
    }
    assert {query: "".join(await found(platform, query)) for query in expected} == expected


async def test_duration_is_at_most_so_many_minutes(platform: TestPlatform) -> None:
    for seconds in (3600, 3601):
        course = await platform.course(title=str(seconds), lessons=0)
        await platform.lesson(course.owner, course.id, course.modules[0], duration=seconds)
    assert await found(platform, "duration=59") == []
    assert await found(platform, "duration=60") == ["3600"]
    assert await found(platform, "duration=61") == ["3601", "3600"]


SEARCHES = {
    "python": ["Python for beginners", "Data", "Cooking"],
    "Beginner": ["Python for beginners"],
    "pyth": ["Python for beginners", "Data", "Cooking"],
    "cook": ["Cooking"],
    "python -snake": ["Python for beginners", "Data"],
    '"python for"': ["Python for beginners"],
    '"for python"': [],
    "cooking or data": ["Cooking", "Data"],
    "größe": ["Kleine Größe"],
    "the python": ["Python for beginners", "Data", "Cooking"],
    "absent": [],
    "!!&|()*:": [],
    "'": [],
    "\\": [],
    '-"a b"': ["Python for beginners", "Data", "Cooking", "Kleine Größe"],
}


@pytest.mark.parametrize("q", SEARCHES)
async def test_words_are_found_titles_before_tags_before_descriptions(platform: TestPlatform, q: str) -> None:
    teacher = await platform.person(role="instructor")
    await make(teacher, "Cooking", description="How a python snake is not cooked.", tags=[])
    await make(teacher, "Data", description="Numbers.", tags=["Python"])
    await make(teacher, "Python for beginners", description="Programs.", tags=[])
    await make(teacher, "Kleine Größe", description="Auf Deutsch.", tags=[])
    await make(teacher, "Python draft", status="draft")
    titles = await found(platform, f"q={quote(q)}")
    assert sorted(titles) == sorted(SEARCHES[q])
    assert q.startswith("-") or titles == SEARCHES[q]


async def test_of_very_many_that_match_the_newest_thousand_are_ranked(platform: TestPlatform) -> None:
    best = await make(await platform.person(role="instructor"), "Python python", description="Python.", tags=["python"])
    async with platform.database("courses").transaction() as tx:
        await tx.execute(
            """
            WITH made AS (
                INSERT INTO courses (id, instructor_id, title, description, category, difficulty, price, currency,
                                     tags, tag_keys, language, status, version, created_at, updated_at, published_at)
                SELECT gen_random_uuid(), instructor_id, 'Python ' || n, 'Of it.', category, difficulty, price,
                       currency, '{}', '{}', language, status, 1, now(), now(), now() + n * interval '1 second'
                  FROM courses CROSS JOIN generate_series(1, 1001) AS n
                RETURNING id)
            INSERT INTO course_figures (course_id) SELECT id FROM made
            """
        )
    ranked = await walk(platform, "q=python&limit=100")
    assert len(ranked) == len(set(ranked)) == 1000
    assert set(ranked) == {f"Python {number}" for number in range(2, 1002)}
    assert (await walk(platform, "q=python&sort=newest&limit=100"))[-2:] == ["Python 1", "Python python"]
    assert (await found(platform, "q=python&category=programming&duration=0&limit=1"))[0] in ranked
    await platform.database("courses").reader.fetch(
        "UPDATE courses SET published_at = now() + interval '1 day' WHERE id = $1", UUID(best)
    )
    platform.runtime.pages.drop("courses")
    assert await found(platform, "q=python&limit=1") == ["Python python"]


async def test_blank_words_are_no_search(platform: TestPlatform) -> None:
    await make(await platform.person(role="instructor"), "One")
    assert await found(platform, "q=%20") == ["One"]
    assert await found(platform, "q=") == ["One"]


async def many(platform: TestPlatform) -> None:
    """Courses whose prices, students and ratings repeat."""
    teacher = await platform.person(role="instructor")
    for number in range(9):
        await make(teacher, f"Course {number}", price=number % 3)
    async with platform.database("courses").transaction() as tx:
        await tx.execute(
            """
            UPDATE course_figures AS f
               SET student_count = n.number % 4, rating_count = n.number % 2,
                   rating_total = n.number % 2 * (1 + n.number / 2)
              FROM (SELECT id, right(title, 1)::integer AS number FROM courses) AS n
             WHERE f.course_id = n.id
            """
        )


async def test_each_order_is_what_it_says(platform: TestPlatform) -> None:
    await many(platform)
    pages = {
        sort: data_of(await platform.http.get(f"{PATHS[0]}?sort={sort}"))["courses"]
        for sort in ("newest", "popular", "rating", "price")
    }
    assert [one["title"][-1] for one in pages["newest"]] == list("876543210")
    assert [one["studentCount"] for one in pages["popular"]] == [3, 3, 2, 2, 1, 1, 0, 0, 0]
    assert [one["rating"] for one in pages["rating"]] == [4, 3, 2, 1, 0, 0, 0, 0, 0]
    assert [one["price"] for one in pages["price"]] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


async def test_pages_of_every_order_and_size_make_up_the_whole(platform: TestPlatform) -> None:
    await many(platform)
    wholes = {
        query: await found(platform, query)
        for query in ("sort=newest", "sort=popular", "sort=rating", "sort=price", "q=course", "q=course&sort=price")
    }

    for query, whole in wholes.items():
        for limit in (1, 2, 4, 9, 10):
            assert await walk(platform, f"{query}&limit={limit}") == whole


async def test_a_course_that_comes_between_shifts_no_page(platform: TestPlatform) -> None:
    await many(platform)
    first = data_of(await platform.http.get(f"{PATHS[0]}?limit=4"))
    await make(await platform.person(role="instructor"), "New")
    rest = data_of(await platform.http.get(f"{PATHS[0]}?limit=100&cursor={first['nextCursor']}"))
    assert [one["title"][-1] for one in first["courses"] + rest["courses"]] == list("876543210")


@pytest.mark.parametrize("other", ["newest", "popular", "rating", "price"])
async def test_a_cursor_of_another_order_is_refused(platform: TestPlatform, other: str) -> None:
    await many(platform)
    for sort in ("newest", "popular", "rating", "price"):
        cursor = data_of(await platform.http.get(f"{PATHS[0]}?sort={sort}&limit=2"))["nextCursor"]
        answer = await platform.http.get(f"{PATHS[0]}?sort={other}&cursor={cursor}")
        assert answer.status_code == (200 if sort == other else 400)


@pytest.mark.parametrize(
    ("sort", "key"),
    [("popular", -1), ("popular", LONGEST), ("popular", "1"), ("price", "NaN"), ("price", "1e999999"), ("price", [])],
)
async def test_a_cursor_that_was_made_up_is_harmless(platform: TestPlatform, sort: str, key: Any) -> None:
    answer = await platform.http.get(f"{PATHS[0]}?sort={sort}&cursor={cursor_of(sort, key, new_id())}")
    assert answer.status_code in {200, 400}


@given(cursor=st.text(max_size=40))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_is_no_cursor_is_refused(platform: TestPlatform, cursor: str) -> None:
    answer = await platform.http.get(PATHS[0], params={"cursor": cursor})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("difficulty=beginner", "difficulty"),
        ("duration=-1", "duration"),
        ("duration=1.5", "duration"),
        (f"duration={LONGEST}", "duration"),
        ("minPrice=-1", "minPrice"),
        ("maxPrice=NaN", "maxPrice"),
        ("maxPrice=Infinity", "maxPrice"),
        ("minPrice=x", "minPrice"),
        ("instructorId=7", "instructorId"),
        ("language=_", "language"),
        ("sort=oldest", "sort"),
        ("sort=relevance", "sort"),
        ("mine=perhaps", "mine"),
        ("cursor=x", "cursor"),
        ("cursor=WyJuZXdlc3QiXQ", "cursor"),
        (f"q={'x' * 201}", "q"),
        (f"category={'x' * 101}", "category"),
        (f"tag={'x' * 51}", "tag"),
    ],
)
async def test_a_bad_parameter_is_named(platform: TestPlatform, query: str, field: str) -> None:
    assert faults(await platform.http.get(f"{PATHS[0]}?{query}")) == [field]


async def test_categories_are_counted_however_they_are_spelt(platform: TestPlatform) -> None:
    teacher = await platform.person(role="instructor")
    for category in ("Music", "music", "Music", "Art", "Science"):
        await make(teacher, "One", category=category)
    await make(teacher, "Draft", category="Secret", status="draft")
    path = "/api/v1/courses/categories"
    categories = data_of(await platform.http.get(path))
    assert categories == {
        "categories": [
            {"name": "Art", "courseCount": 1},
            {"name": "Music", "courseCount": 3},
            {"name": "Science", "courseCount": 1},
        ],
        "nextCursor": None,
    }
    first = data_of(await platform.http.get(path + "?limit=2"))
    rest = data_of(await platform.http.get(f"{path}?limit=2&cursor={first['nextCursor']}"))
    assert first["categories"] + rest["categories"] == categories["categories"]


async def test_twenty_categories_are_a_page_where_nothing_else_is_asked_for(platform: TestPlatform) -> None:
    teacher = await platform.person(role="instructor")
    for number in range(21):
        await make(teacher, "One", category=f"Category {number:02}")
    page = data_of(await platform.http.get("/api/v1/courses/categories"))
    assert [category["name"] for category in page["categories"]] == [f"Category {number:02}" for number in range(20)]
    assert page["nextCursor"] is not None


async def test_a_page_follows_a_write_at_once(platform: TestPlatform) -> None:
    course: Course = await platform.course(title="Before")
    assert await found(platform) == ["Before"]
    data_of(await course.owner.put(path_of(course.id), {"title": "After"}))
    assert await found(platform) == ["After"]
    data_of(await course.owner.put(path_of(course.id), {"status": "draft"}))
    assert await found(platform) == []


@given(q=st.text(st.sampled_from("ab'\"\\-!&|():* <>orß%_"), max_size=20))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_is_searched_for_there_is_an_answer(platform: TestPlatform, q: str) -> None:
    assert (await platform.http.get(PATHS[0], params={"q": q})).status_code == 200
