"""The routes of progress."""

from uuid import UUID

from moocflix.platform.auth.access import CALLER
from moocflix.platform.errors import CopyMissing
from moocflix.platform.http.reply import Reply, reply
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import get, post
from moocflix.platform.ids import new_id
from moocflix.services.progress.enrollment import sql as enrollment_sql
from moocflix.services.progress.progress import operations, sql
from moocflix.services.progress.progress.model import ProgressNotFound
from moocflix.services.progress.progress.schemas import Progress, ProgressUpdated, UpdateProgress


@post("/api/progress/update", who=CALLER, summary="Note progress in a lesson", refusals=(403, 404, 409))
async def update(request: Request, data: UpdateProgress) -> Reply[ProgressUpdated]:
    """Progress never falls, time adds up; the course is complete once every lesson that counts is done.

    A lesson that is a draft cannot be begun; one that became a draft later can be finished.
    """
    noted = await operations.note(
        request.tx,
        data.update(at=request.now),
        caller=request.caller,
        new_id=new_id(),
        event_ids=(new_id(), new_id()),
    )
    return reply(ProgressUpdated.of(noted))


@get("/api/progress/{enrollment_id:uuid}", who=CALLER, summary="Progress in a course", refusals=(404,))
async def progress(request: Request, enrollment_id: UUID) -> Reply[Progress]:
    """The lesson to resume, the course as a whole and each lesson: for the learner, the instructor and admins."""
    enrollment = await enrollment_sql.enrollment(request.db, id=enrollment_id)
    if not enrollment.visible_to(request.caller.id, is_admin=request.caller.is_admin):
        raise ProgressNotFound
    if not enrollment.outline_known:
        raise CopyMissing("outline", enrollment.course_id)
    found = await sql.course_progress(request.db, enrollment_id=enrollment_id, course_id=enrollment.course_id)
    return reply(Progress.of(found))


routes = (update, progress)
