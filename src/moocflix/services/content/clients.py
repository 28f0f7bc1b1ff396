"""What content asks of other services besides the entities that it keeps copies of."""

from uuid import UUID

from moocflix.contracts.enrollments import EnrollmentFound, EnrollmentState
from moocflix.platform.service import ServiceContext


async def find_enrollment(context: ServiceContext, *, user_id: UUID, course_id: UUID) -> EnrollmentState | None:
    """The enrolment of a person in a course; None where there is none."""
    found: EnrollmentFound = await context.http("enrollments").get(
        "/internal/enrollments/find", reply=EnrollmentFound, query={"userId": user_id, "courseId": course_id}
    )
    return found.enrollment
