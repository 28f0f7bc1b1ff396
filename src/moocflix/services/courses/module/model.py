"""A module: one part of a course, at its position among the others."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from moocflix.contracts.courses import ModuleDeleted, ModuleState, Status
from moocflix.platform.errors import Conflict, NotFound
from moocflix.services.courses.course.model import Course, CourseNotFound, Viewer, managed

Order = Annotated[int, Meta(ge=1, le=1_000_000, description="The place, from 1; beyond the end means last.")]
"""Of a module in its course, of a lesson in its module."""


class ModuleNotFound(NotFound):
    def __init__(self, module_id: UUID) -> None:
        super().__init__(f"There is no module {module_id} in this course.")


class TooManyModules(Conflict):
    def __init__(self, most: int) -> None:
        super().__init__(f"A course may have at most {most} modules.")


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """A module as its row has it; `position` counts from 1 within the course."""

    id: UUID
    course_id: UUID
    title: str
    position: int
    status: Status
    version: int
    created_at: datetime
    updated_at: datetime

    def state(self) -> ModuleState:
        return ModuleState(
            version=self.version,
            module_id=self.id,
            course_id=self.course_id,
            title=self.title,
            order=self.position,
            status=self.status,
        )

    def tombstone(self) -> ModuleDeleted:
        return ModuleDeleted(version=self.version + 1, module_id=self.id, course_id=self.course_id)


class ModuleEntry(Module, frozen=True, kw_only=True):
    """A module in a list, with the number of its lessons that the viewer may see."""

    lesson_count: int


def managed_module(
    course: Course | None, module: Module | None, *, course_id: UUID, module_id: UUID, viewer: Viewer
) -> Module:
    """The module, where the viewer may change it. Raises what stands against it."""
    if course is None:
        raise CourseNotFound(course_id)
    if module is None or (module.status == "draft" and not course.is_managed_by(viewer)):
        raise ModuleNotFound(module_id)
    managed(course, course_id=course_id, viewer=viewer)
    return module


def placed(order: int | None, *, count: int) -> int:
    """The position for one more among `count`: as asked for, and last where that is further or not said."""
    return count + 1 if order is None else min(order, count + 1)


def moved(position: int, order: int | None, *, count: int) -> int:
    """The position that one of `count` moves to; it stays where nothing is asked for."""
    return position if order is None else min(order, count)


def passed(old: int, new: int) -> tuple[int, int, int]:
    """Whom a move from `old` to `new` passes: the first and last position, and how far each of them steps."""
    return (old + 1, new, -1) if new > old else (new, old - 1, 1)
