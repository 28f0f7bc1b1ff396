"""Courses as requests and answers show them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from moocflix.contracts.courses import Difficulty, Status
from moocflix.platform.http.numbers import Number
from moocflix.platform.http.reply import Body
from moocflix.services.courses.course.model import (
    MAX_CATEGORY,
    MAX_DESCRIPTION,
    MAX_LANGUAGE,
    MAX_TAG,
    MAX_TAGS,
    MAX_TITLE,
    MAX_URL,
    Course,
    CourseDetails,
    CourseFields,
)

_SECONDS = 60

Title = Annotated[str, Meta(min_length=1, max_length=MAX_TITLE, examples=["Introduction to Python"])]
Description = Annotated[str, Meta(max_length=MAX_DESCRIPTION)]
Category = Annotated[str, Meta(min_length=1, max_length=MAX_CATEGORY, examples=["Programming"])]
Price = Annotated[Number, Meta(description="In the currency's main unit, with at most two decimals; 0 is free.")]
Currency = Annotated[str, Meta(min_length=3, max_length=3, description="A code of ISO 4217.", examples=["EUR"])]
Url = Annotated[str, Meta(max_length=MAX_URL, description="A full http or https address.")]
Tags = Annotated[list[Annotated[str, Meta(max_length=MAX_TAG)]], Meta(max_length=MAX_TAGS)]
Language = Annotated[str, Meta(max_length=MAX_LANGUAGE, description="A tag of BCP 47.", examples=["en", "pt-BR"])]


class CreateCourse(Body):
    """What a new course is."""

    title: Title
    description: Description
    category: Category
    difficulty: Difficulty
    price: Price
    currency: Currency
    cover_image_url: Url | None = None
    tags: Tags = []
    language: Language = "en"
    status: Status = "draft"

    def fields(self) -> CourseFields:
        return CourseFields(**msgspec.structs.asdict(self))


class UpdateCourse(Body):
    """What is to be said of a course from now on; what is left out stays."""

    title: Title | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    difficulty: Difficulty | UnsetType = UNSET
    price: Price | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    cover_image_url: Url | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    status: Status | UnsetType = UNSET

    def changes(self) -> dict[str, object]:
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not UNSET}


class CourseDone(Body):
    """A write that was done to a course."""

    course_id: UUID
    version: int
    message: str

    @classmethod
    def of(cls, course: Course, message: str) -> "CourseDone":
        return cls(course_id=course.id, version=course.version, message=message)


class CourseOut(Body):
    """A course with all that is known of it. `duration` is in minutes; counts are of what is published."""

    course_id: UUID
    title: str
    description: str
    category: str
    difficulty: Difficulty
    price: Decimal
    currency: str
    cover_image_url: str | None
    tags: list[str]
    language: str
    status: Status
    instructor_id: UUID
    instructor: str
    instructor_avatar_url: str | None
    rating: float
    rating_count: int
    duration: int
    module_count: int
    lesson_count: int
    student_count: int
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
    version: int

    @classmethod
    def of(cls, course: CourseDetails) -> "CourseOut":
        return cls(
            course_id=course.id,
            title=course.title,
            description=course.description,
            category=course.category,
            difficulty=course.difficulty,
            price=course.price,
            currency=course.currency,
            cover_image_url=course.cover_image_url,
            tags=course.tags,
            language=course.language,
            status=course.status,
            instructor_id=course.instructor_id,
            instructor=course.instructor,
            instructor_avatar_url=course.instructor_avatar_url,
            rating=float(course.rating),
            rating_count=course.rating_count,
            duration=minutes(course.duration),
            module_count=course.module_count,
            lesson_count=course.lesson_count,
            student_count=course.student_count,
            created_at=course.created_at,
            updated_at=course.updated_at,
            published_at=course.published_at,
            version=course.version,
        )


def minutes(seconds: int) -> int:
    """Whole minutes, a begun one counted, so that a course listed as 90 minutes is found by "at most 90"."""
    return -(-seconds // _SECONDS)
