"""A course as content knows it."""

from uuid import UUID

import msgspec

from moocflix.platform.errors import Forbidden, NotFound


class CourseNotFound(NotFound):
    """There is no such course, or it is not the caller's to know of."""

    def __init__(self, course_id: UUID) -> None:
        super().__init__(f"There is no course {course_id}.")


class NotYourCourse(Forbidden):
    """Somebody else teaches it."""

    def __init__(self) -> None:
        super().__init__("Only the course's own instructor and admins may do this.")


class CourseCopy(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a course that decides who may add videos to it."""

    course_id: UUID
    instructor_id: UUID
    published: bool

    def taught_by(self, user_id: UUID, *, is_admin: bool) -> "CourseCopy":
        """This course, where they may add to it. Raises NotYourCourse, or CourseNotFound for a stranger's draft."""
        if is_admin or user_id == self.instructor_id:
            return self
        if self.published:
            raise NotYourCourse
        raise CourseNotFound(self.course_id)
