"""Modules as requests and answers show them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from moocflix.contracts.courses import Status
from moocflix.platform.http.reply import Body
from moocflix.services.courses.course.model import MAX_TITLE
from moocflix.services.courses.module.model import Module, ModuleEntry, Order

Title = Annotated[str, Meta(min_length=1, max_length=MAX_TITLE, examples=["Getting started"])]


class CreateModule(Body):
    """What a new module is; without `order` it is the last."""

    title: Title
    order: Order | None = None
    status: Status = "draft"


class UpdateModule(Body):
    """What is to be said of a module from now on; what is left out stays."""

    title: Title | UnsetType = UNSET
    order: Order | None = None
    status: Status | UnsetType = UNSET

    def changes(self) -> dict[str, object]:
        said = {"title": self.title, "status": self.status}
        return {name: value for name, value in said.items() if value is not UNSET}


class ModuleDone(Body):
    """A write that was done to a module."""

    module_id: UUID
    course_id: UUID
    order: int
    version: int
    message: str

    @classmethod
    def of(cls, module: Module, message: str) -> "ModuleDone":
        return cls(
            module_id=module.id,
            course_id=module.course_id,
            order=module.position,
            version=module.version,
            message=message,
        )


class ModuleOut(Body):
    """A module; `lessonCount` counts the lessons that the caller may see."""

    module_id: UUID
    course_id: UUID
    title: str
    order: int
    status: Status
    lesson_count: int
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, module: ModuleEntry) -> "ModuleOut":
        said = msgspec.structs.asdict(module)
        return cls(module_id=said.pop("id"), order=said.pop("position"), **said)


class ModuleList(Body):
    """Modules in their order."""

    modules: list[ModuleOut]
    next_cursor: str | None
