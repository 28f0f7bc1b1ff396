"""What stands in the way of closing a course."""

from uuid import UUID

from moocflix.platform.errors import Conflict


class StudentsEnrolled(Conflict):
    """A course in which somebody is enrolled stays open, unless it is closed by force."""

    def __init__(self, course_id: UUID) -> None:
        super().__init__(f"Students are enrolled in course {course_id}, so it cannot be deleted.")
