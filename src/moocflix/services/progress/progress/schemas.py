"""What progress looks like from outside: fractions 0..1, seconds."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from moocflix.platform.http.reply import Body
from moocflix.services.progress.progress.model import CourseProgress, Lesson, Noted, Update, fraction_of, percent_of

_DAY = 86_400


class UpdateProgress(Body):
    """What was done in a lesson since the last update: how much of it is done in all, and the seconds spent on it."""

    enrollment_id: UUID
    module_id: UUID
    lesson_id: UUID
    progress: Annotated[float, Meta(ge=0, le=1)]
    time_spent: Annotated[int, Meta(ge=0, le=_DAY)] = 0

    def update(self, *, at: datetime) -> Update:
        """The same, inside."""
        return Update(
            enrollment_id=self.enrollment_id,
            module_id=self.module_id,
            lesson_id=self.lesson_id,
            percent=percent_of(self.progress),
            seconds=self.time_spent,
            at=at,
        )


class ProgressUpdated(Body):
    """Where an update has led: `progress` and `timeSpent` are the lesson's."""

    progress_id: UUID
    message: str
    progress: float
    time_spent: int
    course_progress: float
    completed_lessons: int
    total_lessons: int
    completed_at: datetime | None

    @classmethod
    def of(cls, noted: Noted) -> "ProgressUpdated":
        """With a sentence for people."""
        return cls(
            progress_id=noted.id,
            message="Progress updated successfully",
            progress=fraction_of(noted.progress),
            time_spent=noted.time_spent,
            course_progress=fraction_of(noted.course_progress),
            completed_lessons=noted.completed_lessons,
            total_lessons=noted.total_lessons,
            completed_at=noted.completed_at,
        )


class LessonProgress(Body):
    """One lesson that counts; without `progressId` it was not begun yet."""

    progress_id: UUID | None
    module_id: UUID
    lesson_id: UUID
    title: str
    progress: float
    last_accessed: datetime | None
    time_spent: int

    @classmethod
    def of(cls, lesson: Lesson) -> "LessonProgress":
        """A lesson as its learner sees it."""
        return cls(
            progress_id=lesson.id,
            module_id=lesson.module_id,
            lesson_id=lesson.lesson_id,
            title=lesson.title,
            progress=fraction_of(lesson.progress),
            last_accessed=lesson.last_accessed,
            time_spent=lesson.time_spent,
        )


class Progress(Body):
    """The lesson to resume (empty before any was begun), and the course as a whole."""

    progress_id: UUID | None
    enrollment_id: UUID
    module_id: UUID | None
    lesson_id: UUID | None
    progress: float
    last_accessed: datetime | None
    time_spent: int
    course_id: UUID
    course_progress: float
    completed_lessons: int
    total_lessons: int
    completed_at: datetime | None
    lessons: list[LessonProgress]

    @classmethod
    def of(cls, course: CourseProgress) -> "Progress":
        """All that is known of an enrolment's progress."""
        latest = course.latest
        return cls(
            progress_id=latest.id if latest else None,
            enrollment_id=course.enrollment_id,
            module_id=latest.module_id if latest else None,
            lesson_id=latest.lesson_id if latest else None,
            progress=fraction_of(latest.progress) if latest else 0.0,
            last_accessed=latest.last_accessed if latest else None,
            time_spent=latest.time_spent if latest else 0,
            course_id=course.course_id,
            course_progress=fraction_of(course.progress),
            completed_lessons=course.completed_lessons,
            total_lessons=len(course.lessons),
            completed_at=course.completed_at,
            lessons=[LessonProgress.of(lesson) for lesson in course.lessons],
        )
