"""What enrollments asks of other services besides the entities that it keeps copies of."""

from uuid import UUID

from moocflix.contracts.courses import COURSE, CourseState
from moocflix.platform.service import ServiceContext
from moocflix.services.enrollments.course.model import CourseNotFound


async def fetch_published(context: ServiceContext, course_id: UUID) -> CourseState:
    """The state of a course that the copy has as a draft. Raises CourseNotFound where its owner has it so, too."""
    course = await COURSE.fetch(context, course_id)
    if course is None or course.status != "published":
        raise CourseNotFound(course_id)
    return course
