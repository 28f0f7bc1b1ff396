"""An enrolment, and what may stand in its way."""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec

from moocflix.contracts.enrollments import EnrollmentState, EnrollmentStatus
from moocflix.platform.database.transaction import Record
from moocflix.platform.errors import Conflict, Forbidden, NotFound, PaymentNeeded, Refusal
from moocflix.services.enrollments.course.model import CourseNotFound


class EnrollmentNotFound(NotFound):
    """There is no such enrolment, or it is not the caller's to know of."""

    def __init__(self) -> None:
        super().__init__("Enrollment not found.")


class OnlyForYourself(Forbidden):
    """Enrolling somebody else takes an admin, and dropping takes the learner."""

    def __init__(self, verb: str) -> None:
        super().__init__(f"You may only {verb} yourself.")


class OwnCourse(Forbidden):
    """Nobody learns from themselves."""

    def __init__(self) -> None:
        super().__init__("This is the learner's own course: its instructor cannot enroll in it.")


class AlreadyEnrolled(Conflict):
    """There is one enrolment for each learner and course."""

    def __init__(self) -> None:
        super().__init__("User already enrolled.")


class CourseNotPublished(Conflict):
    """For an admin, who may know of drafts."""

    def __init__(self, course_id: UUID) -> None:
        super().__init__(f"Course {course_id} is not published yet.")


class CourseNotOpen(Conflict):
    """The course is about to be deleted, so nobody gets in."""

    def __init__(self, course_id: UUID) -> None:
        super().__init__(f"Course {course_id} is closed to new students.")


class CoursePaymentNeeded(PaymentNeeded):
    """The course has a price, and this learner has no completed payment for it."""

    def __init__(self, *, price: Decimal, currency: str) -> None:
        super().__init__(f"This course costs {price} {currency}, and there is no completed payment for it.")


Verdict = Literal["admitted", "gone", "own", "draft", "enrolled", "closed", "unpaid"]


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """What became of somebody's wish to enrol: the enrolment, or the reason why there is none."""

    course_id: UUID
    verdict: Verdict
    price: Decimal
    currency: str
    enrollment: "Enrollment | None"

    def accepted(self, *, by_admin: bool) -> "Enrollment":
        """The enrolment. Raises the refusal that fits the verdict."""
        if self.enrollment is not None:
            return self.enrollment
        raise self._refusal(by_admin=by_admin)

    def _refusal(self, *, by_admin: bool) -> Refusal:
        match self.verdict:
            case "gone":
                return CourseNotFound(self.course_id)
            case "draft":
                return CourseNotPublished(self.course_id) if by_admin else CourseNotFound(self.course_id)
            case "own":
                return OwnCourse()
            case "closed":
                return CourseNotOpen(self.course_id)
            case "unpaid":
                return CoursePaymentNeeded(price=self.price, currency=self.currency)
            case "enrolled" | "admitted":  # admitted without a row: somebody's other request came first
                return AlreadyEnrolled()


class Enrollment(msgspec.Struct, frozen=True, kw_only=True):
    """One learner in one course; `progress` is a percentage."""

    id: UUID
    version: int
    user_id: UUID
    course_id: UUID
    payment_id: UUID | None
    status: EnrollmentStatus
    enrolled_at: datetime
    progress: Decimal
    current_lesson_id: UUID | None

    @classmethod
    def of(cls, row: Record) -> "Enrollment":
        """A row of enrollments."""
        return cls(**{name: row[name] for name in cls.__struct_fields__})

    @property
    def state(self) -> EnrollmentState:
        """What others are told."""
        return EnrollmentState(
            enrollment_id=self.id,
            version=self.version,
            user_id=self.user_id,
            course_id=self.course_id,
            status=self.status,
            payment_id=self.payment_id,
            enrolled_at=self.enrolled_at,
        )


class Student(msgspec.Struct, frozen=True, kw_only=True):
    """An enrolment with the name behind it; no name yet where the user's first event is still on its way."""

    enrollment: Enrollment
    username: str | None
    name: str | None
    avatar_url: str | None

    @classmethod
    def of(cls, row: Record) -> "Student":
        """A row of enrollments with its user's copy."""
        return cls(
            enrollment=Enrollment.of(row), username=row["username"], name=row["name"], avatar_url=row["avatar_url"]
        )


class MyEnrollment(msgspec.Struct, frozen=True, kw_only=True):
    """An enrolment as its learner lists it, with the course's title."""

    enrollment: Enrollment
    course_title: str | None

    @classmethod
    def of(cls, row: Record) -> "MyEnrollment":
        """A row of enrollments with its course's copy."""
        return cls(enrollment=Enrollment.of(row), course_title=row["title"])
