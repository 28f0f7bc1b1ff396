"""The catalogue as answers show it."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from moocflix.contracts.courses import Difficulty, Status
from moocflix.platform.http.reply import Body
from moocflix.services.courses.catalogue.model import Category, Entry
from moocflix.services.courses.course.schemas import minutes


class CatalogueItem(Body):
    """A course in the catalogue: `description` its beginning, `duration` in minutes, counts of what is published."""

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

    @classmethod
    def of(cls, entry: Entry) -> "CatalogueItem":
        return cls(
            course_id=entry.id,
            title=entry.title,
            instructor=entry.instructor,
            instructor_id=entry.instructor_id,
            rating=float(entry.rating),
            rating_count=entry.rating_count,
            duration=minutes(entry.duration),
            category=entry.category,
            cover_image_url=entry.cover_image_url,
            description=entry.summary,
            price=entry.price,
            currency=entry.currency,
            difficulty=entry.difficulty,
            tags=entry.tags,
            language=entry.language,
            status=entry.status,
            module_count=entry.module_count,
            lesson_count=entry.lesson_count,
            student_count=entry.student_count,
            listed_at=entry.listed_at,
        )


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
