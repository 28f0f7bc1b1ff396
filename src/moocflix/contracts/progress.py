"""What the progress service tells others."""

from datetime import datetime
from uuid import UUID

from moocflix.platform.events.envelope import State, Topic


class ProgressUpdated(State, frozen=True, kw_only=True):
    """How far an enrolment has come; fractions are 0..1, times in seconds.

    `progress` is that of the whole course, `lesson_progress` that of the lesson just touched.
    """

    enrollment_id: UUID
    user_id: UUID
    course_id: UUID
    module_id: UUID
    lesson_id: UUID
    lesson_progress: float
    time_spent: int
    progress: float
    last_accessed: datetime


class CourseCompleted(State, frozen=True, kw_only=True):
    """Every lesson that counts is done; said once for each enrolment."""

    enrollment_id: UUID
    user_id: UUID
    course_id: UUID
    completed_at: datetime


PROGRESS_UPDATED = Topic("Progress-Updated", "progress", ProgressUpdated, key="enrollment_id")
COURSE_COMPLETED = Topic("Course-Completed", "progress", CourseCompleted, key="enrollment_id")

TOPICS = (PROGRESS_UPDATED, COURSE_COMPLETED)
