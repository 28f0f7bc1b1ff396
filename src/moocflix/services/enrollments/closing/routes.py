"""The internal routes by which the courses service closes a course before it deletes it."""

from uuid import UUID

from moocflix.contracts.enrollments import CourseClosed
from moocflix.platform.auth.access import services
from moocflix.platform.http.reply import Reply, reply
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import post
from moocflix.services.enrollments.closing import operations
from moocflix.services.enrollments.closing.schemas import Close
from moocflix.services.enrollments.settings import EnrollmentsSettings


@post(
    "/internal/courses/{course_id:uuid}/close",
    who=services("courses"),
    writes="intent",
    summary="Close a course for its deletion",
    refusals=(409,),
)
async def close(request: Request, course_id: UUID, data: Close) -> Reply[CourseClosed]:
    """Refuses while anyone is enrolled, unless by force; it may be repeated."""
    unenrolled = await operations.close(
        request.context.database,
        course_id=course_id,
        force=data.force,
        batch=request.context.settings.of(EnrollmentsSettings).batch,
    )
    return reply(CourseClosed(course_id=course_id, unenrolled=unenrolled))


@post("/internal/courses/{course_id:uuid}/reopen", who=services("courses"), summary="Open a closed course again")
async def reopen(request: Request, course_id: UUID) -> Reply[CourseClosed]:
    """For when its deletion came to nothing; it may be repeated."""
    await operations.reopen(request.tx, course_id=course_id)
    return reply(CourseClosed(course_id=course_id, unenrolled=0))


routes = (close, reopen)
