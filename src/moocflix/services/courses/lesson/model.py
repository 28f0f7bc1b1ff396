"""A lesson: one step of a module, and what only some may see of it."""

from datetime import datetime
from uuid import UUID

import msgspec

from moocflix.contracts.courses import LessonDeleted, LessonState, LessonType, Status
from moocflix.platform.errors import Conflict, Invalid, NotFound
from moocflix.services.courses.course.model import (
    MAX_TITLE,
    Course,
    CourseNotFound,
    Viewer,
    managed,
    text,
    url,
    within,
)

MAX_CONTENT = 100_000
MAX_SECONDS = 1_000_000
_WITH_VIDEO = {"VIDEO", "LIVE_SESSION"}


class LessonNotFound(NotFound):
    def __init__(self, lesson_id: UUID) -> None:
        super().__init__(f"There is no lesson {lesson_id} in this part of the course.")


class TooManyLessons(Conflict):
    def __init__(self, most: int) -> None:
        super().__init__(f"A course may have at most {most} lessons.")


class TooMuchContent(Conflict):
    def __init__(self, most: int) -> None:
        super().__init__(f"The contents of a course's lessons may have at most {most} bytes together.")


class VideoNotShown(Invalid):
    def __init__(self, type: LessonType) -> None:
        super().__init__(f"A lesson of type {type} shows no video.", field="videoId")


class LessonFields(msgspec.Struct, frozen=True, kw_only=True):
    """What an instructor says of a lesson; `duration` in seconds."""

    title: str
    type: LessonType
    url: str | None = None
    content: str | None = None
    video_id: UUID | None = None
    assessment_id: UUID | None = None
    duration: int | None = None
    preview: bool = False
    status: Status = "draft"

    def checked(self) -> "LessonFields":
        """The same, trimmed. Raises Invalid, naming the field."""
        if self.video_id is not None and self.type not in _WITH_VIDEO:
            raise VideoNotShown(self.type)
        content = self.content
        return msgspec.structs.replace(
            self,
            title=text(self.title, field="title", most=MAX_TITLE),
            url=url(self.url, field="url"),
            content=None if content is None else within(content, field="content", most=MAX_CONTENT),
        )

    @property
    def content_bytes(self) -> int:
        """How large the content is where it is stored and sent."""
        return 0 if self.content is None else len(self.content.encode())


class Lesson(LessonFields, frozen=True, kw_only=True):
    """A lesson as its row has it; `position` counts from 1 within the module."""

    id: UUID
    module_id: UUID
    course_id: UUID
    position: int
    version: int
    created_at: datetime
    updated_at: datetime

    def fields(self) -> LessonFields:
        return LessonFields(**{name: getattr(self, name) for name in LessonFields.__struct_fields__})

    def state(self) -> LessonState:
        return LessonState(
            version=self.version,
            lesson_id=self.id,
            module_id=self.module_id,
            course_id=self.course_id,
            title=self.title,
            type=self.type,
            order=self.position,
            status=self.status,
            preview=self.preview,
            video_id=self.video_id,
            assessment_id=self.assessment_id,
            duration=self.duration,
        )


class FoundLesson(Lesson, frozen=True, kw_only=True):
    """A lesson with its module's status: both must be published for others to find it."""

    module_status: Status

    def lesson(self) -> Lesson:
        return Lesson(**{name: getattr(self, name) for name in Lesson.__struct_fields__})


class ShownLesson(Lesson, frozen=True, kw_only=True):
    """A lesson as one viewer may see it: without `whole`, what it teaches is left out."""

    whole: bool
    asks: bool
    """Whether nothing is known here of this viewer's enrolment, so that enrollments is to be asked."""


def tombstone(lesson: LessonState) -> LessonDeleted:
    """What a lesson leaves that is deleted in this state."""
    return LessonDeleted(
        version=lesson.version + 1,
        lesson_id=lesson.lesson_id,
        module_id=lesson.module_id,
        course_id=lesson.course_id,
    )


def managed_lesson(
    course: Course | None,
    found: FoundLesson | None,
    *,
    course_id: UUID,
    module_id: UUID | None,
    lesson_id: UUID,
    viewer: Viewer,
) -> Lesson:
    """The lesson, where the viewer may change it. Raises what stands against it.

    A path may leave the module out; where it names one, the lesson must be in it.
    """
    if course is None:
        raise CourseNotFound(course_id)
    if found is None or module_id not in {None, found.module_id}:
        raise LessonNotFound(lesson_id)
    published = found.status == "published" and found.module_status == "published"
    if not published and not course.is_managed_by(viewer):
        raise LessonNotFound(lesson_id)
    managed(course, course_id=course_id, viewer=viewer)
    return found.lesson()
