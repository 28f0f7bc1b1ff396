"""What enrolments look like from outside; progress is a fraction 0..1."""

from datetime import datetime
from typing import Any
from uuid import UUID

from moocflix.contracts.enrollments import EnrollmentStatus
from moocflix.platform.http.reply import Body
from moocflix.services.enrollments.enrollment.model import Enrollment, MyEnrollment, Student


class EnrollIn(Body):
    """Who is to be enrolled in what; without `paymentId` any completed payment of theirs for the course counts."""

    course_id: UUID
    user_id: UUID
    payment_id: UUID | None = None


class EnrollmentOut(Body):
    """One learner in one course."""

    enrollment_id: UUID
    user_id: UUID
    course_id: UUID
    enrollment_date: datetime
    status: EnrollmentStatus
    progress: float
    current_lesson_id: UUID | None

    @classmethod
    def of(cls, enrollment: Enrollment) -> "EnrollmentOut":
        """As its learner, the course's owner and admins see it."""
        return cls(**_facts(enrollment))


class EnrolledOut(EnrollmentOut):
    """The answer to a change of one's enrolment."""

    message: str

    @classmethod
    def saying(cls, message: str, enrollment: Enrollment) -> "EnrolledOut":
        """The enrolment with a sentence for people."""
        return cls(**_facts(enrollment), message=message)


class MyEnrollmentOut(EnrollmentOut):
    """One of the caller's enrolments."""

    course_title: str | None

    @classmethod
    def listed(cls, mine: MyEnrollment) -> "MyEnrollmentOut":
        """With the course's title."""
        return cls(**_facts(mine.enrollment), course_title=mine.course_title)


class MyEnrollmentsOut(Body):
    """A page of the caller's enrolments."""

    enrollments: list[MyEnrollmentOut]
    next_cursor: str | None


class StudentOut(EnrollmentOut):
    """One of a course's students; no name where the user's first event is still on its way."""

    name: str | None
    username: str | None
    avatar_url: str | None

    @classmethod
    def listed(cls, student: Student) -> "StudentOut":
        """With the name behind the enrolment."""
        return cls(
            **_facts(student.enrollment),
            name=student.name,
            username=student.username,
            avatar_url=student.avatar_url,
        )


class StudentsOut(Body):
    """A page of a course's students."""

    students: list[StudentOut]
    next_cursor: str | None


class CourseEnrollmentsOut(Body):
    """The same page, with the students as enrolments."""

    enrollments: list[StudentOut]
    next_cursor: str | None


def _facts(enrollment: Enrollment) -> dict[str, Any]:
    return {
        "enrollment_id": enrollment.id,
        "user_id": enrollment.user_id,
        "course_id": enrollment.course_id,
        "enrollment_date": enrollment.enrolled_at,
        "status": enrollment.status,
        "progress": float(enrollment.progress / 100),
        "current_lesson_id": enrollment.current_lesson_id,
    }
