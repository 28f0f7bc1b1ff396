"""The structure of a course as requests and answers show it."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from moocflix.contracts.courses import LessonType, Status
from moocflix.platform.http.reply import Body
from moocflix.services.courses.lesson.schemas import where
from moocflix.services.courses.settings import MAX_LESSONS, MAX_MODULES
from moocflix.services.courses.structure.model import Order, ShownPart, ShownStep, Structure


class StepOut(Body):
    """A lesson. What it teaches (url, content, video, assessment) is null unless the caller may see it whole."""

    id: UUID
    title: str
    type: LessonType
    url: str | None
    order: int
    status: Status
    preview: bool
    duration: int | None
    content: str | None
    video_id: UUID | None
    assessment_id: UUID | None
    version: int

    @classmethod
    def of(cls, step: ShownStep) -> "StepOut":
        return cls(
            id=step.id,
            title=step.title,
            type=step.type,
            url=where(step.url, step.video_id),
            order=step.position,
            status=step.status,
            preview=step.preview,
            duration=step.duration,
            content=step.content,
            video_id=step.video_id,
            assessment_id=step.assessment_id,
            version=step.version,
        )


class PartOut(Body):
    """A module with its lessons in their order."""

    id: UUID
    title: str
    order: int
    status: Status
    lessons: list[StepOut]
    version: int

    @classmethod
    def of(cls, part: ShownPart) -> "PartOut":
        return cls(
            id=part.id,
            title=part.title,
            order=part.position,
            status=part.status,
            lessons=[StepOut.of(step) for step in part.lessons],
            version=part.version,
        )


class StructureOut(Body):
    """A course's modules in their order. `access` says whether all lessons are shown whole, or the previews alone."""

    course_id: UUID
    title: str
    access: Literal["whole", "preview"]
    modules: list[PartOut]
    version: int

    @classmethod
    def of(cls, structure: Structure) -> "StructureOut":
        return cls(
            course_id=structure.course_id,
            title=structure.title,
            access="whole" if structure.whole else "preview",
            modules=[PartOut.of(part) for part in structure.modules],
            version=structure.version,
        )


class OrderedLesson(Body):
    """A lesson in an order; whatever else is said of it is passed over."""

    id: UUID


class OrderedModule(Body):
    """A module in an order, with its lessons: their ids, or objects that have one."""

    id: UUID
    lessons: Annotated[list[UUID | OrderedLesson], Meta(max_length=MAX_LESSONS)] = []


class SetOrder(Body):
    """The whole order of a course: the structure as it was read, rearranged, will do."""

    modules: Annotated[list[OrderedModule], Meta(max_length=MAX_MODULES)]

    def order(self) -> Order:
        return [
            (module.id, [one.id if isinstance(one, OrderedLesson) else one for one in module.lessons])
            for module in self.modules
        ]
