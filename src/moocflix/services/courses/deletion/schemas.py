"""What is said of a deletion."""

from uuid import UUID

from moocflix.platform.http.reply import Body


class CourseGone(Body):
    """A course that was deleted."""

    course_id: UUID
    message: str


class ModuleGone(Body):
    """A module that was deleted."""

    module_id: UUID
    course_id: UUID
    message: str
