"""Deletions over HTTP: of a course, and of a module with its lessons."""

from typing import Annotated
from uuid import UUID

from litestar.params import QueryParameter

from moocflix.platform import intents
from moocflix.platform.auth.access import CALLER
from moocflix.platform.http.reply import Reply, reply
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import delete
from moocflix.platform.ids import new_id
from moocflix.services.courses.course.model import Viewer
from moocflix.services.courses.deletion import operations, sql
from moocflix.services.courses.deletion.model import Deletion
from moocflix.services.courses.deletion.schemas import CourseGone, ModuleGone

_COURSE = "/api/v1/courses/{course_id:uuid}"
_MODULE = _COURSE + "/modules/{module_id:uuid}"

Force = Annotated[
    bool,
    QueryParameter(
        description="From admins: unenrol the students who are in the course. From others it counts as false."
    ),
]


@delete(
    [_COURSE, _COURSE + "/delete"],
    who=CALLER,
    writes="intent",
    summary="Delete a course",
    refusals=(403, 404, 409, 412, 503),
)
async def delete_course(
    request: Request,
    course_id: UUID,
    force: Force = False,  # noqa: FBT002 - a query parameter, always given by name
) -> Reply[CourseGone]:
    """Delete a course that nobody is enrolled in. Publishes Course-Deletion, and the same for all that is in it."""
    viewer = Viewer.of(request.caller)
    deletion_id = await sql.pending(request.db, course_id=course_id, viewer=viewer) or new_id()
    deletion = Deletion(
        course_id=course_id,
        deletion_id=deletion_id,
        viewer_id=viewer.id,
        is_admin=viewer.is_admin,
        force=force and viewer.is_admin,
        versions=request.if_match(),
    )
    await intents.run(request.context, operations.DELETE_COURSE, deletion.payload(), intent_id=deletion_id)
    return reply(CourseGone(course_id=course_id, message="Course deleted successfully"))


@delete([_MODULE, _MODULE + "/delete"], who=CALLER, summary="Delete a module", refusals=(403, 404, 409, 412))
async def delete_module(request: Request, course_id: UUID, module_id: UUID) -> Reply[ModuleGone]:
    """Delete a module with its lessons. Publishes Module-Deleted, and Lesson-Deleted for each of them."""
    await operations.delete_module(
        request.tx,
        course_id=course_id,
        module_id=module_id,
        viewer=Viewer.of(request.caller),
        if_match=request.if_match(),
        now=request.now,
    )
    return reply(ModuleGone(module_id=module_id, course_id=course_id, message="Module deleted successfully"))


routes = (delete_course, delete_module)
