"""Progress in lessons and courses. Inside it is a percentage with two decimals, outside a fraction."""

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Literal
from uuid import UUID

import msgspec

from moocflix.platform.database.transaction import Record
from moocflix.platform.errors import Forbidden, Invalid, NotFound

_HUNDREDTH = Decimal("0.01")
DONE = Decimal(100)


class ProgressNotFound(NotFound):
    """There is no such enrolment, or it is not the caller's to know of."""

    def __init__(self) -> None:
        super().__init__("Progress not found.")


class NotYourProgress(Forbidden):
    """The caller may read it, but progress is the learner's own to make."""

    def __init__(self) -> None:
        super().__init__("Only the learner may note progress.")


class LessonNotInCourse(Invalid):
    """The lesson is not one of the course that the learner is enrolled in."""

    def __init__(self) -> None:
        super().__init__("This is not a lesson of the enrollment's course.", field="lessonId")


class LessonNotInModule(Invalid):
    """The lesson belongs to another module."""

    def __init__(self) -> None:
        super().__init__("The lesson is not in this module.", field="moduleId")


def percent_of(fraction: float) -> Decimal:
    """The percentage of a fraction, cut and not rounded, so that only a whole lesson is done."""
    return (Decimal(repr(fraction)) * 100).quantize(_HUNDREDTH, rounding=ROUND_DOWN)


def fraction_of(percent: Decimal) -> float:
    """What a percentage is outside."""
    return float(percent / 100)


Verdict = Literal[
    "noted", "stranger", "dropped", "outline_unknown", "lesson_unknown", "lesson", "unpublished", "module"
]


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """What a learner did in a lesson just now: `percent` of it is done, `seconds` were spent."""

    enrollment_id: UUID
    module_id: UUID
    lesson_id: UUID
    percent: Decimal
    seconds: int
    at: datetime


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """Where an update has led: the lesson's row and the course's counts."""

    id: UUID
    progress: Decimal
    time_spent: int
    course_progress: Decimal
    completed_lessons: int
    total_lessons: int
    completed_at: datetime | None

    @classmethod
    def of(cls, row: Record) -> "Noted":
        """What the statement of an update returns."""
        return cls(**{name: row[name] for name in cls.__struct_fields__})


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """A lesson that counts, and how far the learner has come in it; `id` is None where they have not begun."""

    lesson_id: UUID
    module_id: UUID
    title: str
    id: UUID | None
    progress: Decimal
    time_spent: int
    last_accessed: datetime | None

    @classmethod
    def of(cls, row: Record) -> "Lesson":
        """A row of lessons_copy with its progress."""
        return cls(**{name: row[name] for name in cls.__struct_fields__})


class CourseProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an enrolment has come in its course: the lessons that count, in the course's order."""

    enrollment_id: UUID
    course_id: UUID
    completed_at: datetime | None
    lessons: Sequence[Lesson]

    @property
    def completed_lessons(self) -> int:
        """How many are done."""
        return sum(lesson.progress == DONE for lesson in self.lessons)

    @property
    def progress(self) -> Decimal:
        """The mean of the lessons, cut and not rounded: it is whole only when all are."""
        if not self.lessons:
            return Decimal(0)
        total = sum((lesson.progress for lesson in self.lessons), Decimal(0))
        return (total / len(self.lessons)).quantize(_HUNDREDTH, rounding=ROUND_DOWN)

    @property
    def latest(self) -> Lesson | None:
        """The lesson to resume: the one that was accessed last."""
        begun = [lesson for lesson in self.lessons if lesson.last_accessed is not None]
        return max(begun, key=lambda lesson: lesson.last_accessed, default=None)  # type: ignore[arg-type,return-value]
