"""The deletion of a course: who wants it, and how far force goes."""

from typing import Any
from uuid import UUID

import msgspec

from moocflix.platform.versions import IfMatch
from moocflix.services.courses.course.model import Viewer


class Deletion(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is meant: kept with the intent until the course is gone, or stays."""

    course_id: UUID
    deletion_id: UUID
    viewer_id: UUID | None
    is_admin: bool
    force: bool
    versions: IfMatch = None

    @property
    def viewer(self) -> Viewer:
        return Viewer(self.viewer_id, self.is_admin)

    @classmethod
    def read(cls, payload: dict[str, Any]) -> "Deletion":
        return msgspec.convert(payload, cls)

    def payload(self) -> dict[str, Any]:
        said: dict[str, Any] = msgspec.to_builtins(self)
        return said
