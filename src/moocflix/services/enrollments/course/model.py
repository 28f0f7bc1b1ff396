"""A course as enrollments knows it, and the refusals that speak of one."""

from uuid import UUID

import msgspec

from moocflix.platform.database.transaction import Record
from moocflix.platform.errors import Forbidden, NotFound


class CourseNotFound(NotFound):
    """There is no such course, or it is not the caller's to know of."""

    def __init__(self, course_id: UUID) -> None:
        super().__init__(f"There is no course {course_id}.")


class NotTheOwner(Forbidden):
    """Who is enrolled is for the course's instructor to see."""

    def __init__(self) -> None:
        super().__init__("Only the course's instructor and admins may see who is enrolled.")


class CourseCopy(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a course that decides who may see what."""

    course_id: UUID
    instructor_id: UUID
    is_public: bool

    @classmethod
    def of(cls, row: Record) -> "CourseCopy":
        """A row of courses_copy."""
        return cls(
            course_id=row["course_id"], instructor_id=row["instructor_id"], is_public=row["status"] == "published"
        )

    def open_to_owner(self, *, caller_id: UUID, is_admin: bool) -> "CourseCopy":
        """This course, where the caller may do what its owner may. Raises NotFound for strangers to a draft."""
        if is_admin or caller_id == self.instructor_id:
            return self
        if self.is_public:
            raise NotTheOwner
        raise CourseNotFound(self.course_id)
