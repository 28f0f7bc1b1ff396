"""The catalogue's pages: one statement each, put together from fixed pieces; values are always arguments."""

from collections.abc import Iterator, Sequence
from typing import Any

from moocflix.platform.database.transaction import Reader
from moocflix.services.courses.catalogue.model import CatalogueItem, Category, Filters, Place, Sort
from moocflix.services.courses.course.model import tag_key

# In the order of the item's fields. A begun minute counts, as where a duration is asked for.
_COLUMNS = """c.id, c.title, i.name AS instructor, c.instructor_id, f.rating::float8, f.rating_count,
       (f.duration + 59) / 60 AS duration, c.category, c.cover_image_url, c.summary, c.price, c.currency, c.difficulty,
       c.tags, c.language, c.status, f.module_count, f.lesson_count, f.student_count, c.listed_at"""

# The common orders follow an index, rare filters sort what they find. The limit is written out: as an argument it would
# make PostgreSQL plan each page anew, or for a tenth of the table, both dearer than the page itself.
_PAGE = """
SELECT {key} AS sort_key, {columns}
  FROM courses c
  JOIN course_figures f ON f.course_id = c.id
  JOIN instructors i ON i.id = c.instructor_id
 WHERE {conditions}
 ORDER BY {key} {way}, {id} {way}
 LIMIT {limit:d}
"""

# Ranking reads each course's words: of what matches, only the newest are ranked and found, so that a word that every
# course has costs no more than another.
_RANKED = 1000
_NEWEST_MATCHES = """
c.id IN (
    SELECT c.id FROM courses c JOIN course_figures f ON f.course_id = c.id
     WHERE {conditions} ORDER BY c.listed_at DESC, c.id DESC LIMIT {limit:d})
"""

_LISTED = "c.status = 'published' AND c.deletion_id IS NULL"

# The id beside the key is that of the table whose index holds both.
_KEYS: dict[Sort, tuple[str, str, str]] = {
    "newest": ("c.listed_at", "c.id", "DESC"),
    "popular": ("f.student_count", "f.course_id", "DESC"),
    "rating": ("f.rating", "f.course_id", "DESC"),
    "price": ("c.price", "c.id", "ASC"),
    "relevance": ("ts_rank(c.words, course_query({q}))", "c.id", "DESC"),
}

_TYPES: dict[Sort, str] = {
    "newest": "timestamptz",
    "popular": "integer",
    "rating": "numeric",
    "price": "numeric",
    "relevance": "real",
}

# Spellings of one category count as one, under the name that most courses give it.
_CATEGORIES = f"""
SELECT mode() WITHIN GROUP (ORDER BY c.category) AS name, count(*) AS course_count
  FROM courses c
 WHERE {_LISTED} AND ($1::text IS NULL OR c.category_key > lower($1))
 GROUP BY c.category_key
 ORDER BY c.category_key
 LIMIT $2
"""


async def page(
    db: Reader, *, filters: Filters, sort: Sort, after: Place | None, limit: int
) -> tuple[list[CatalogueItem], Place | None]:
    """Courses that fit, in this order, from behind a place on; and the place behind which there are more."""
    statement, arguments = page_statement(filters, sort=sort, after=after, limit=limit + 1)
    rows = await db.fetch(statement, *arguments)
    items = [CatalogueItem(*row[1:]) for row in rows[:limit]]
    return items, (rows[limit - 1]["sort_key"], items[-1].course_id) if len(rows) > limit else None


async def categories(db: Reader, *, after: str | None, limit: int) -> Sequence[Category]:
    """Categories by name, with how many courses are found in each."""
    return [Category(**row) for row in await db.fetch(_CATEGORIES, after, limit)]


def page_statement(filters: Filters, *, sort: Sort, after: Place | None, limit: int) -> tuple[str, list[Any]]:
    """The statement of a page, and its arguments."""
    arguments: list[Any] = []

    def argument(value: Any) -> str:
        arguments.append(value)
        return f"${len(arguments)}"

    conditions = [condition.format(argument(value)) for condition, value in _conditions(filters)]
    key, course_id, way = _KEYS[sort]
    if filters.owner is None:
        conditions.insert(0, _LISTED)
    if sort == "relevance":
        key = key.format(q=argument(filters.q))
        conditions = [_NEWEST_MATCHES.format(conditions=" AND ".join(conditions), limit=_RANKED)]
    if after is not None:
        place = f"({argument(after[0])}::{_TYPES[sort]}, {argument(after[1])}::uuid)"
        conditions.append(f"({key}, {course_id}) {'<' if way == 'DESC' else '>'} {place}")
    statement = _PAGE.format(
        columns=_COLUMNS, key=key, id=course_id, way=way, conditions=" AND ".join(conditions), limit=limit
    )
    return statement, arguments


def _conditions(filters: Filters) -> Iterator[tuple[str, Any]]:
    language = filters.language
    wanted: tuple[tuple[str, Any], ...] = (
        ("c.instructor_id = {}::uuid", filters.owner),
        ("c.words @@ course_query({}::text)", filters.q),
        ("c.category_key = lower({}::text)", filters.category),
        ("c.difficulty = {}::text", filters.difficulty),
        ("f.duration <= {}::integer * 60", filters.duration),
        ("c.instructor_id = {}::uuid", filters.instructor_id),
        ("c.price >= {}::numeric", filters.min_price),
        ("c.price <= {}::numeric", filters.max_price),
        # en finds en-GB too.
        ("(c.language || '-') LIKE {}::text", None if language is None else f"{language}-%"),
        ("c.tag_keys @> ARRAY[{}::text]", None if filters.tag is None else tag_key(filters.tag)),
    )
    return ((condition, value) for condition, value in wanted if value is not None)
