"""A course: what its instructor says of it, who may see and change it, and the rules for its fields."""

import re
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from moocflix.contracts.courses import CourseDeleted, CourseState, Difficulty, Status
from moocflix.contracts.currencies import CURRENCIES
from moocflix.platform.auth.principal import Principal
from moocflix.platform.errors import Conflict, Forbidden, Invalid, NotFound
from moocflix.platform.texts import is_visible, is_web_address

MAX_TITLE = 200
MAX_DESCRIPTION = 20_000
MAX_CATEGORY = 100
MAX_PRICE = Decimal(100_000_000)
MAX_TAGS = 20
MAX_TAG = 50
MAX_URL = 2048
MAX_LANGUAGE = 35

_CENT = Decimal("0.01")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*\Z")
_REGION_LETTERS = 2
_SCRIPT_LETTERS = 4


class CourseNotFound(NotFound):
    def __init__(self, course_id: UUID) -> None:
        super().__init__(f"There is no course {course_id}.")


class NotYourCourse(Forbidden):
    def __init__(self, course_id: UUID) -> None:
        super().__init__(f"Course {course_id} is another instructor's: only they and admins may change it.")


class CourseBeingDeleted(Conflict):
    def __init__(self, course_id: UUID) -> None:
        super().__init__(f"Course {course_id} is being deleted.")


class BlankText(Invalid):
    def __init__(self, field: str) -> None:
        super().__init__(f"The {field} must not be blank.", field=field)


class TextTooLong(Invalid):
    def __init__(self, field: str, most: int) -> None:
        super().__init__(f"The {field} may have at most {most} characters.", field=field)


class PriceNotAllowed(Invalid):
    def __init__(self) -> None:
        super().__init__(f"The price must be from 0 to {MAX_PRICE}, with at most two decimals.", field="price")


class UnknownCurrency(Invalid):
    def __init__(self) -> None:
        super().__init__("The currency must be a code of ISO 4217 in capitals, such as EUR.", field="currency")


class UrlNotAllowed(Invalid):
    def __init__(self, field: str) -> None:
        super().__init__(f"{field} must be a full http or https address of at most {MAX_URL} characters.", field=field)


class UnknownLanguage(Invalid):
    def __init__(self) -> None:
        super().__init__("The language must be a tag such as en, pt-BR or zh-Hant.", field="language")


class TagsNotAllowed(Invalid):
    def __init__(self) -> None:
        super().__init__(
            f"There may be {MAX_TAGS} tags, none of them blank or longer than {MAX_TAG} characters.", field="tags"
        )


class Viewer(msgspec.Struct, frozen=True):
    """Whoever looks at courses or changes them; nobody in particular without an `id`."""

    id: UUID | None = None
    is_admin: bool = False

    @classmethod
    def of(cls, principal: Principal | None) -> "Viewer":
        return cls() if principal is None else cls(principal.id, principal.is_admin)


class CourseFields(msgspec.Struct, frozen=True, kw_only=True):
    """What an instructor says of a course."""

    title: str
    description: str
    category: str
    difficulty: Difficulty
    price: Decimal
    currency: str
    cover_image_url: str | None = None
    tags: list[str] = []
    language: str = "en"
    status: Status = "draft"

    def checked(self) -> "CourseFields":
        """The same, trimmed and in canonical spelling. Raises Invalid, naming the field."""
        return msgspec.structs.replace(
            self,
            title=text(self.title, field="title", most=MAX_TITLE),
            description=within(self.description.strip(), field="description", most=MAX_DESCRIPTION),
            category=text(self.category, field="category", most=MAX_CATEGORY),
            price=_price(self.price),
            currency=_currency(self.currency),
            cover_image_url=url(self.cover_image_url, field="coverImageUrl"),
            tags=_tags(self.tags),
            language=language_tag(self.language),
        )


class Course(CourseFields, frozen=True, kw_only=True):
    """A course as its row has it."""

    id: UUID
    instructor_id: UUID
    version: int
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None = None
    deletion_id: UUID | None = None

    def is_managed_by(self, viewer: Viewer) -> bool:
        return viewer.is_admin or viewer.id == self.instructor_id

    def fields(self) -> CourseFields:
        return CourseFields(**{name: getattr(self, name) for name in CourseFields.__struct_fields__})

    def state(self) -> CourseState:
        return CourseState(
            version=self.version,
            course_id=self.id,
            instructor_id=self.instructor_id,
            title=self.title,
            description=self.description,
            category=self.category,
            difficulty=self.difficulty,
            price=self.price,
            currency=self.currency,
            cover_image_url=self.cover_image_url,
            tags=self.tags,
            language=self.language,
            status=self.status,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )

    def tombstone(self) -> CourseDeleted:
        return CourseDeleted(
            version=self.version + 1, course_id=self.id, instructor_id=self.instructor_id, title=self.title
        )


class CourseDetails(Course, frozen=True, kw_only=True):
    """A course with its instructor and what is counted of it; `duration` in seconds."""

    instructor: str
    instructor_avatar_url: str | None
    rating: Decimal
    rating_count: int
    duration: int
    module_count: int
    lesson_count: int
    student_count: int


def managed(course: Course | None, *, course_id: UUID, viewer: Viewer) -> Course:
    """The course that a viewer could see, where they may change it too. Raises what stands against it."""
    if course is None:
        raise CourseNotFound(course_id)
    if not course.is_managed_by(viewer):
        raise NotYourCourse(course_id)
    if course.deletion_id is not None:
        raise CourseBeingDeleted(course_id)
    return course


def text(value: str, *, field: str, most: int) -> str:
    """A text without white space around it. Raises BlankText, TextTooLong."""
    value = value.strip()
    if not is_visible(value):
        raise BlankText(field)
    return within(value, field=field, most=most)


def within(value: str, *, field: str, most: int) -> str:
    """The text, where it is not too long."""
    if len(value) > most:
        raise TextTooLong(field, most)
    return value


def url(value: str | None, *, field: str) -> str | None:
    """A full http or https address, or None. Raises UrlNotAllowed."""
    if value is not None and not is_web_address(value, most=MAX_URL):
        raise UrlNotAllowed(field)
    return value


def language_tag(value: str) -> str:
    """A language tag as RFC 5646 spells it: en, pt-BR, zh-Hant. Raises UnknownLanguage."""
    if len(value) > MAX_LANGUAGE or not _LANGUAGE.match(value):
        raise UnknownLanguage
    first, *others = value.lower().split("-")
    return "-".join([first, *(_subtag(other) for other in others)])


def tag_key(tag: str) -> str:
    """How a tag is compared: without regard to case."""
    return tag.casefold()


def _subtag(value: str) -> str:
    if len(value) == _REGION_LETTERS:
        return value.upper()
    return value.title() if len(value) == _SCRIPT_LETTERS else value


def _price(value: Decimal) -> Decimal:
    if not (value.is_finite() and 0 <= value <= MAX_PRICE):
        raise PriceNotAllowed
    rounded = value.quantize(_CENT)
    if rounded != value:
        raise PriceNotAllowed
    return abs(rounded)  # -0 is a Decimal too


def _currency(value: str) -> str:
    if value not in CURRENCIES:
        raise UnknownCurrency
    return value


def _tags(values: list[str]) -> list[str]:
    tags = {tag_key(tag): tag for tag in reversed([value.strip() for value in values])}
    if len(values) > MAX_TAGS or any(not is_visible(tag) or len(tag) > MAX_TAG for tag in tags.values()):
        raise TagsNotAllowed
    return list(reversed(tags.values()))
