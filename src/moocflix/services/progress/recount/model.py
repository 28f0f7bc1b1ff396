"""What a change of the outline has made of one enrolment's progress."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from moocflix.contracts.progress import CourseCompleted, ProgressUpdated
from moocflix.platform.database.transaction import Record
from moocflix.services.progress.progress.model import fraction_of


class Recounted(msgspec.Struct, frozen=True, kw_only=True):
    """The new counts of an enrolment, with the lesson that was accessed last."""

    enrollment_id: UUID
    version: int
    user_id: UUID
    course_id: UUID
    completed_at: datetime | None
    completes: bool
    course_progress: Decimal
    module_id: UUID
    lesson_id: UUID
    progress: Decimal
    time_spent: int
    last_accessed: datetime

    @classmethod
    def of(cls, row: Record) -> "Recounted":
        """What the statement of a recount returns."""
        return cls(**{name: row[name] for name in cls.__struct_fields__})

    @property
    def updated(self) -> ProgressUpdated:
        """What others are told of the new counts."""
        return ProgressUpdated(
            version=self.version,
            enrollment_id=self.enrollment_id,
            user_id=self.user_id,
            course_id=self.course_id,
            module_id=self.module_id,
            lesson_id=self.lesson_id,
            lesson_progress=fraction_of(self.progress),
            time_spent=self.time_spent,
            progress=fraction_of(self.course_progress),
            last_accessed=self.last_accessed,
        )

    @property
    def completed(self) -> CourseCompleted | None:
        """What others are told where nothing is left to do now."""
        if not self.completes or self.completed_at is None:
            return None
        return CourseCompleted(
            version=self.version,
            enrollment_id=self.enrollment_id,
            user_id=self.user_id,
            course_id=self.course_id,
            completed_at=self.completed_at,
        )
