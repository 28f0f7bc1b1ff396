"""The catalogue as answers show it."""

import msgspec

from moocflix.platform.http.reply import Body
from moocflix.services.courses.catalogue.model import CatalogueItem, Category


class CataloguePage(Body):
    """Courses in the order that was asked for."""

    courses: list[CatalogueItem]
    next_cursor: str | None


class CategoryOut(Body):
    """A category and how many courses are found in it."""

    name: str
    course_count: int

    @classmethod
    def of(cls, category: Category) -> "CategoryOut":
        return cls(**msgspec.structs.asdict(category))


class CategoryList(Body):
    """Categories by name."""

    categories: list[CategoryOut]
    next_cursor: str | None
