"""The catalogue over HTTP."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from litestar.params import QueryParameter

from moocflix.contracts.courses import Difficulty
from moocflix.platform.auth.access import ANYONE
from moocflix.platform.http.pagination import Cursor, Limit, cursor_of, next_cursor, read_cursor
from moocflix.platform.http.reply import Reply, reply
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import get
from moocflix.services.courses.catalogue import sql
from moocflix.services.courses.catalogue.model import SORT_KEYS, Filters, Sort, amount, order_of, place_in
from moocflix.services.courses.catalogue.schemas import CataloguePage, CategoryList, CategoryOut
from moocflix.services.courses.course.model import MAX_CATEGORY, MAX_TAG, language_tag

Words = Annotated[str | None, QueryParameter(max_length=200, description="Words in title, tags or description.")]
CategoryName = Annotated[str | None, QueryParameter(max_length=MAX_CATEGORY)]
Minutes = Annotated[int | None, QueryParameter(ge=0, le=1_000_000, description="At most so many minutes.")]
InstructorId = Annotated[UUID | None, QueryParameter(name="instructorId")]
MinPrice = Annotated[Decimal | None, QueryParameter(name="minPrice")]
MaxPrice = Annotated[Decimal | None, QueryParameter(name="maxPrice")]
Language = Annotated[str | None, QueryParameter(description="A language tag; en finds en-GB too.")]
Tag = Annotated[str | None, QueryParameter(max_length=MAX_TAG)]
Mine = Annotated[bool, QueryParameter(description="The caller's own courses, drafts too.")]


@get(["/api/v1/courses", "/api/courses/catalog/list"], who=ANYONE, cached=True, summary="List courses")
async def list_courses(  # noqa: PLR0917 - each parameter is one of the catalogue's filters
    request: Request,
    q: Words = None,
    category: CategoryName = None,
    difficulty: Difficulty | None = None,
    duration: Minutes = None,
    instructor_id: InstructorId = None,
    min_price: MinPrice = None,
    max_price: MaxPrice = None,
    language: Language = None,
    tag: Tag = None,
    mine: Mine = False,  # noqa: FBT002 - a query parameter, always given by name
    sort: Sort | None = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Reply[CataloguePage]:
    """Published courses, or with `mine` one's own; by relevance where words are searched for, else the newest first.

    By relevance come the newest thousand of those that match; every other order goes through all of them.
    """
    words = (q or "").strip() or None
    order = order_of(sort, q=words)
    after = place_in(order, read_cursor(cursor, (str, SORT_KEYS[order], UUID)))
    filters = Filters(
        q=words,
        category=category,
        difficulty=difficulty,
        duration=duration,
        instructor_id=instructor_id,
        min_price=amount(min_price, field="minPrice"),
        max_price=amount(max_price, field="maxPrice"),
        language=None if language is None else language_tag(language),
        tag=tag,
        owner=request.caller.id if mine else None,
    )
    courses, more = await sql.page(request.db, filters=filters, sort=order, after=after, limit=limit)
    if not mine:
        request.share()
    return reply(CataloguePage(courses=courses, next_cursor=cursor_of(order, *more) if more else None))


@get("/api/v1/courses/categories", who=ANYONE, cached=True, summary="List categories")
async def list_categories(request: Request, limit: Limit = 20, cursor: Cursor = None) -> Reply[CategoryList]:
    """The categories of published courses by name, with how many courses are in each."""
    after = read_cursor(cursor, (str,))
    categories = await sql.categories(request.db, after=after[0] if after else None, limit=limit + 1)
    more = next_cursor(categories, limit, lambda one: (one.name,))
    request.share()
    return reply(
        CategoryList(categories=[CategoryOut.of(category) for category in categories[:limit]], next_cursor=more)
    )


routes = (list_courses, list_categories)
