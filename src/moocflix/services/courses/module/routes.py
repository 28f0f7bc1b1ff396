"""Modules over HTTP."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from moocflix.contracts.courses import ModulePage, ModuleState
from moocflix.platform.auth.access import ANYONE, CALLER, services
from moocflix.platform.http.pagination import Cursor, Limit, next_cursor, read_cursor, read_id
from moocflix.platform.http.reply import NOT_KEPT, Reply, reply
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import get, post, put
from moocflix.platform.ids import new_id
from moocflix.services.courses.course.model import CourseNotFound, Viewer
from moocflix.services.courses.module import operations, sql
from moocflix.services.courses.module.model import ModuleNotFound
from moocflix.services.courses.module.schemas import CreateModule, ModuleDone, ModuleList, ModuleOut, UpdateModule
from moocflix.services.courses.settings import CoursesSettings

Position = Annotated[int, Meta(ge=0, le=2**31 - 1)]

_MODULES = "/api/v1/courses/{course_id:uuid}/modules"
_MODULE = _MODULES + "/{module_id:uuid}"


@get(_MODULES, who=ANYONE, summary="List a course's modules", refusals=(404,))
async def list_modules(
    request: Request, course_id: UUID, limit: Limit = 20, cursor: Cursor = None
) -> Reply[ModuleList]:
    """A course's modules in their order; drafts only for its instructor and admins."""
    after = read_cursor(cursor, (Position,))
    viewer = Viewer.of(request.maybe_caller)
    modules = await sql.visible(
        request.db, course_id=course_id, viewer=viewer, after=after[0] if after else 0, limit=limit + 1
    )
    if modules is None:
        raise CourseNotFound(course_id)
    more = next_cursor(modules, limit, lambda one: (one.position,))
    return reply(ModuleList(modules=[ModuleOut.of(module) for module in modules[:limit]], next_cursor=more))


@get(_MODULE, who=ANYONE, summary="Read a module", refusals=(404,))
async def read_module(request: Request, course_id: UUID, module_id: UUID) -> Reply[ModuleOut]:
    """One module of a course. The `ETag` is for `If-Match`: `lessonCount` changes without it."""
    viewer = Viewer.of(request.maybe_caller)
    module = await sql.visible_one(request.db, course_id=course_id, module_id=module_id, viewer=viewer)
    if module is None:
        raise ModuleNotFound(module_id)
    return reply(ModuleOut.of(module), etag=module.version, headers=NOT_KEPT)


@post([_MODULES, _MODULES + "/create"], who=CALLER, status=201, summary="Add a module", refusals=(403, 404, 409))
async def create_module(request: Request, course_id: UUID, data: CreateModule) -> Reply[ModuleDone]:
    """Add a module to a course, as its instructor or an admin. Publishes Module-Creation."""
    module = await operations.create(
        request.tx,
        new_id=new_id(),
        course_id=course_id,
        viewer=Viewer.of(request.caller),
        title=data.title,
        status=data.status,
        order=data.order,
        most=request.context.settings.of(CoursesSettings).most_modules,
        now=request.now,
    )
    return reply(ModuleDone.of(module, "Module created successfully"), status=201, etag=module.version)


@put([_MODULE, _MODULE + "/update"], who=CALLER, summary="Change a module", refusals=(403, 404, 409, 412))
async def update_module(request: Request, course_id: UUID, module_id: UUID, data: UpdateModule) -> Reply[ModuleDone]:
    """Change a module's title, status or place. Publishes Module-Updated, for those that it passes too."""
    module = await operations.update(
        request.tx,
        course_id=course_id,
        module_id=module_id,
        viewer=Viewer.of(request.caller),
        changes=data.changes(),
        order=data.order,
        if_match=request.if_match(),
        now=request.now,
    )
    return reply(ModuleDone.of(module, "Module updated successfully"), etag=module.version)


@get("/internal/modules", who=services("content"), summary="Modules of all courses, drafts too")
async def list_module_states(request: Request, limit: Limit = 100, cursor: Cursor = None) -> Reply[ModulePage]:
    """Modules by id, for the filling of copies."""
    modules = await sql.page(request.db, after=read_id(cursor), limit=limit + 1)
    more = next_cursor(modules, limit, lambda one: (one.id,))
    return reply(ModulePage(modules=[module.state() for module in modules[:limit]], next_cursor=more))


@get("/internal/modules/{module_id:uuid}", who=services("content", "progress"), summary="One module, a draft too")
async def read_module_state(request: Request, module_id: UUID) -> Reply[ModuleState]:
    """A module's state, as its events carry it."""
    module = await sql.module(request.db, module_id=module_id)
    if module is None:
        raise ModuleNotFound(module_id)
    return reply(module.state())


routes = (list_modules, read_module, create_module, update_module, list_module_states, read_module_state)
