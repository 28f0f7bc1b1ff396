"""Lessons as requests and answers show them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from moocflix.contracts.courses import LessonType, Status
from moocflix.platform.http.reply import Body
from moocflix.services.courses.course.model import MAX_TITLE, MAX_URL
from moocflix.services.courses.lesson.model import MAX_CONTENT, MAX_SECONDS, Lesson, LessonFields, ShownLesson
from moocflix.services.courses.module.model import Order

Title = Annotated[str, Meta(min_length=1, max_length=MAX_TITLE, examples=["What a variable is"])]
Url = Annotated[str, Meta(max_length=MAX_URL, description="A full http or https address.")]
Content = Annotated[str, Meta(max_length=MAX_CONTENT, description="The text of an article, the task of a sandbox.")]
Seconds = Annotated[int, Meta(ge=0, le=MAX_SECONDS, description="In seconds; a video's own, once it is known.")]
VideoId = Annotated[UUID, Meta(description="A video that was uploaded for this course.")]


class CreateLesson(Body):
    """What a new lesson is; without `order` it is the last of its module."""

    title: Title
    type: LessonType
    url: Url | None = None
    content: Content | None = None
    video_id: VideoId | None = None
    assessment_id: UUID | None = None
    duration: Seconds | None = None
    preview: bool = False
    order: Order | None = None
    status: Status = "draft"

    def fields(self) -> LessonFields:
        said = msgspec.structs.asdict(self)
        del said["order"]
        return LessonFields(**said)


class UpdateLesson(Body):
    """What is to be said of a lesson from now on; what is left out stays."""

    title: Title | UnsetType = UNSET
    type: LessonType | UnsetType = UNSET
    url: Url | UnsetType | None = UNSET
    content: Content | UnsetType | None = UNSET
    video_id: VideoId | UnsetType | None = UNSET
    assessment_id: UUID | UnsetType | None = UNSET
    duration: Seconds | UnsetType | None = UNSET
    preview: bool | UnsetType = UNSET
    order: Order | None = None
    status: Status | UnsetType = UNSET

    def changes(self) -> dict[str, object]:
        said = msgspec.structs.asdict(self)
        del said["order"]
        return {name: value for name, value in said.items() if value is not UNSET}


class LessonDone(Body):
    """A write that was done to a lesson."""

    lesson_id: UUID
    module_id: UUID
    course_id: UUID
    order: int
    version: int
    message: str

    @classmethod
    def of(cls, lesson: Lesson, message: str) -> "LessonDone":
        return cls(
            lesson_id=lesson.id,
            module_id=lesson.module_id,
            course_id=lesson.course_id,
            order=lesson.position,
            version=lesson.version,
            message=message,
        )


class LessonOut(Body):
    """A lesson. What it teaches (url, content, video, assessment) is null unless the caller may see it whole."""

    lesson_id: UUID
    module_id: UUID
    course_id: UUID
    title: str
    type: LessonType
    order: int
    status: Status
    preview: bool
    duration: int | None
    url: str | None
    content: str | None
    video_id: UUID | None
    assessment_id: UUID | None
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, lesson: ShownLesson) -> "LessonOut":
        return cls(
            lesson_id=lesson.id,
            module_id=lesson.module_id,
            course_id=lesson.course_id,
            title=lesson.title,
            type=lesson.type,
            order=lesson.position,
            status=lesson.status,
            preview=lesson.preview,
            duration=lesson.duration,
            url=where(lesson.url, lesson.video_id),
            content=lesson.content,
            video_id=lesson.video_id,
            assessment_id=lesson.assessment_id,
            created_at=lesson.created_at,
            updated_at=lesson.updated_at,
            version=lesson.version,
        )


def where(url: str | None, video_id: UUID | None) -> str | None:
    """Where the lesson's material is: its own address, or the stream of its video."""
    return url if url or video_id is None else f"/api/v1/content/{video_id}/stream"
