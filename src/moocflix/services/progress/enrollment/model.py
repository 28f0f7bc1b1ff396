"""An enrolment as progress knows it."""

from uuid import UUID

import msgspec

from moocflix.contracts.enrollments import EnrollmentStatus
from moocflix.platform.errors import Conflict, CopyMissing


class EnrollmentDropped(Conflict):
    """Nobody goes on in a course that they have left."""

    def __init__(self) -> None:
        super().__init__("This enrollment was dropped; enroll again to go on.")


class EnrollmentCopy(msgspec.Struct, frozen=True, kw_only=True):
    """Whose enrolment it is, and in whose course; no instructor where the course's state is not here yet."""

    enrollment_id: UUID
    user_id: UUID
    course_id: UUID
    status: EnrollmentStatus
    instructor_id: UUID | None
    outline_known: bool

    def visible_to(self, caller_id: UUID, *, is_admin: bool) -> bool:
        """Whether it is the caller's own, or in a course of theirs. Raises CopyMissing where that is not known."""
        if is_admin or caller_id == self.user_id:
            return True
        if self.instructor_id is None:
            raise CopyMissing("course", self.course_id)
        return caller_id == self.instructor_id
