"""The structure of a course over HTTP."""

from uuid import UUID

from moocflix.contracts.courses import CourseOutline
from moocflix.platform.auth.access import ANYONE, CALLER, services
from moocflix.platform.http.reply import Reply, reply
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import get, put
from moocflix.services.courses import clients
from moocflix.services.courses.course.model import CourseNotFound, Viewer
from moocflix.services.courses.structure import operations, sql
from moocflix.services.courses.structure.model import Structure
from moocflix.services.courses.structure.schemas import SetOrder, StructureOut


@get("/api/courses/{course_id:uuid}/structure", who=ANYONE, summary="Read a course's structure", refusals=(404,))
async def read_structure(request: Request, course_id: UUID) -> Reply[StructureOut]:
    """Modules and lessons in their order; urls and contents for the enrolled, the instructor and admins."""
    viewer = Viewer.of(request.maybe_caller)
    structure = await sql.structure(request.db, course_id=course_id, viewer=viewer)
    asks = structure is not None and structure.asks
    if asks and await clients.is_enrolled(request.context, viewer, course_id=course_id):
        structure = await sql.structure(request.db, course_id=course_id, viewer=viewer, enrolled=True)
    return _answer(structure, course_id)


@put("/api/v1/courses/{course_id:uuid}/order", who=CALLER, summary="Set a course's order", refusals=(403, 404, 412))
async def set_order(request: Request, course_id: UUID, data: SetOrder) -> Reply[StructureOut]:
    """Set the order of all modules and lessons at once; it must name each exactly once. Publishes what has moved."""
    viewer = Viewer.of(request.caller)
    await operations.arrange(
        request.tx,
        course_id=course_id,
        viewer=viewer,
        order=data.order(),
        if_match=request.if_match(),
        now=request.now,
    )
    return _answer(await sql.structure(request.db, course_id=course_id, viewer=viewer), course_id)


@get(
    "/internal/courses/{course_id:uuid}/outline",
    who=services("progress"),
    summary="A course with its modules and lessons",
)
async def read_outline(request: Request, course_id: UUID) -> Reply[CourseOutline]:
    """A course's state with those of its modules and lessons, drafts too."""
    outline = await sql.outline(request.db, course_id=course_id)
    if outline is None:
        raise CourseNotFound(course_id)
    return reply(outline)


def _answer(structure: Structure | None, course_id: UUID) -> Reply[StructureOut]:
    if structure is None:
        raise CourseNotFound(course_id)
    # Only to those who see all of it, drafts too, is the same version always the same answer.
    return reply(StructureOut.of(structure), etag=structure.version if structure.manages else None)


routes = (read_structure, set_order, read_outline)
