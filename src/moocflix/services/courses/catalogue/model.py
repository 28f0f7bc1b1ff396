"""The catalogue: which courses are asked for, in which order, and what is shown of each."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from moocflix.contracts.courses import Difficulty, Status
from moocflix.platform.errors import Invalid
from moocflix.services.courses.course.model import MAX_PRICE

Sort = Literal["newest", "popular", "rating", "price", "relevance"]

SORT_KEYS: dict[Sort, Any] = {
    "newest": datetime,
    "popular": Annotated[int, Meta(ge=0, le=2**31 - 1)],
    "rating": Decimal,
    "price": Decimal,
    "relevance": float,
}
"""What a cursor of each order holds beside the order's name and the course's id."""

Place = tuple[Any, UUID]
"""A place in an order: the sort key and the id of the course there."""


class RelevanceOfNothing(Invalid):
    def __init__(self) -> None:
        super().__init__("Only what is searched for with q can be sorted by relevance.", field="sort")


class CursorOfAnotherOrder(Invalid):
    def __init__(self) -> None:
        super().__init__("This cursor belongs to another order of the list.", field="cursor")


class AmountNotAllowed(Invalid):
    def __init__(self, field: str) -> None:
        super().__init__(f"{field} must be from 0 to {MAX_PRICE}.", field=field)


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What courses must be; `duration` in minutes, at most. `owner` asks for one's own, drafts too."""

    q: str | None = None
    category: str | None = None
    difficulty: Difficulty | None = None
    duration: int | None = None
    instructor_id: UUID | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    language: str | None = None
    tag: str | None = None
    owner: UUID | None = None


class CatalogueItem(msgspec.Struct, frozen=True, rename="camel"):
    """A course as the catalogue shows it: the beginning of its description, its minutes, counts of what is published.

    Its fields follow each other as in the statement: a page is many rows, and each goes from there into the answer.
    """

    course_id: UUID
    title: str
    instructor: str
    instructor_id: UUID
    rating: float
    rating_count: int
    duration: int
    category: str
    cover_image_url: str | None
    description: str
    price: Decimal
    currency: str
    difficulty: Difficulty
    tags: list[str]
    language: str
    status: Status
    module_count: int
    lesson_count: int
    student_count: int
    listed_at: datetime


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """A category with the number of courses that are found in it."""

    name: str
    course_count: int


def amount(value: Decimal | None, *, field: str) -> Decimal | None:
    """A price to compare with, or None. Raises AmountNotAllowed."""
    if value is not None and not (value.is_finite() and 0 <= value <= MAX_PRICE):
        raise AmountNotAllowed(field)
    return value


def order_of(sort: Sort | None, *, q: str | None) -> Sort:
    """The order that is asked for: for a search the best matches first, else the newest. Raises RelevanceOfNothing."""
    if sort is None:
        return "newest" if q is None else "relevance"
    if sort == "relevance" and q is None:
        raise RelevanceOfNothing
    return sort


def place_in(sort: Sort, cursor: tuple[str, Any, UUID] | None) -> Place | None:
    """Behind which place a page begins. Raises CursorOfAnotherOrder."""
    if cursor is None:
        return None
    made_for, key, course_id = cursor
    if made_for != sort:
        raise CursorOfAnotherOrder
    return key, course_id
