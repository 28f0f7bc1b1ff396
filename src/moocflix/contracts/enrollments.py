"""What the enrollments service tells others."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from moocflix.platform.entity import Entity
from moocflix.platform.events.envelope import Page, Payload, State, Topic
from moocflix.platform.service import ServiceContext

EnrollmentStatus = Literal["in_progress", "completed", "dropped"]


class EnrollmentState(State, frozen=True, kw_only=True):
    """One learner in one course. Enrolling again after a drop takes the same enrolment up."""

    enrollment_id: UUID
    user_id: UUID
    course_id: UUID
    status: EnrollmentStatus
    payment_id: UUID | None
    enrolled_at: datetime


class EnrollmentPage(Page, frozen=True, kw_only=True):
    """`GET /internal/enrollments`: enrolments by id, for the filling of copies."""

    enrollments: list[EnrollmentState]


class EnrollmentFound(Payload, frozen=True, kw_only=True):
    """`GET /internal/enrollments/find?userId=&courseId=`: the enrolment, or null where there is none."""

    enrollment: EnrollmentState | None


class CourseClosed(Payload, frozen=True, kw_only=True):
    """`POST /internal/courses/{id}/close`: nobody is enrolled and nobody gets in after.

    `unenrolled` says how many a forced close took out.
    """

    course_id: UUID
    unenrolled: int


ENROLLMENT = Entity(
    owner="enrollments",
    path="/internal/enrollments",
    state=EnrollmentState,
    page=EnrollmentPage,
    listed=lambda page: page.enrollments,
)


async def find_enrollment(context: ServiceContext, *, user_id: UUID, course_id: UUID) -> EnrollmentState | None:
    """The enrolment of a person in a course; None where there is none, or it was dropped. Raises Unavailable."""
    query = {"userId": user_id, "courseId": course_id}
    answer: EnrollmentFound = await context.http("enrollments").get(
        "/internal/enrollments/find", reply=EnrollmentFound, query=query
    )
    found = answer.enrollment
    return None if found is None or found.status == "dropped" else found


STUDENT_ENROLLED = Topic(
    "Student-Enrolled", "enrollments", EnrollmentState, key="enrollment_id", aliases=("user_enrolled",)
)
STUDENT_UNENROLLED = Topic("Student-Unenrolled", "enrollments", EnrollmentState, key="enrollment_id")

TOPICS = (STUDENT_ENROLLED, STUDENT_UNENROLLED)
