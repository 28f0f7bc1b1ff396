"""Lessons over HTTP. A path may name the lesson's module or leave it out."""

from functools import partial
from uuid import UUID

from moocflix.contracts.courses import LessonPage, LessonState
from moocflix.platform.auth.access import ANYONE, CALLER, services
from moocflix.platform.http.pagination import Cursor, Limit, next_cursor, read_id
from moocflix.platform.http.reply import Reply, reply
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import delete, get, post, put
from moocflix.platform.ids import new_id
from moocflix.services.courses import clients
from moocflix.services.courses.course.model import Viewer
from moocflix.services.courses.lesson import operations, sql
from moocflix.services.courses.lesson.model import LessonNotFound
from moocflix.services.courses.lesson.schemas import CreateLesson, LessonDone, LessonOut, UpdateLesson
from moocflix.services.courses.settings import CoursesSettings

_COURSE = "/api/v1/courses/{course_id:uuid}"
_LESSONS = _COURSE + "/modules/{module_id:uuid}/lessons"
_LESSON = [_LESSONS + "/{lesson_id:uuid}", _COURSE + "/lessons/{lesson_id:uuid}"]


@get(_LESSON, who=ANYONE, summary="Read a lesson", refusals=(404,))
async def read_lesson(
    request: Request, course_id: UUID, lesson_id: UUID, module_id: UUID | None = None
) -> Reply[LessonOut]:
    """One lesson: whole for the enrolled, the instructor and admins, and where it is a preview."""
    viewer = Viewer.of(request.maybe_caller)
    look = partial(
        sql.visible_one, request.db, course_id=course_id, module_id=module_id, lesson_id=lesson_id, viewer=viewer
    )
    lesson = await look()
    if lesson is not None and lesson.asks and await clients.is_enrolled(request.context, viewer, course_id=course_id):
        lesson = await look(enrolled=True)
    if lesson is None:
        raise LessonNotFound(lesson_id)
    # Only the whole lesson is always the same answer for the same version.
    return reply(LessonOut.of(lesson), etag=lesson.version if lesson.whole else None)


@post(_LESSONS, who=CALLER, status=201, summary="Add a lesson", refusals=(403, 404, 409))
async def create_lesson(request: Request, course_id: UUID, module_id: UUID, data: CreateLesson) -> Reply[LessonDone]:
    """Add a lesson to a module, as the course's instructor or an admin. Publishes Lesson-Creation."""
    limits = request.context.settings.of(CoursesSettings)
    lesson = await operations.create(
        request.tx,
        new_id=new_id(),
        course_id=course_id,
        module_id=module_id,
        viewer=Viewer.of(request.caller),
        fields=data.fields(),
        order=data.order,
        most=limits.most_lessons,
        most_bytes=limits.most_content_bytes,
        now=request.now,
    )
    return reply(LessonDone.of(lesson, "Lesson created successfully"), status=201, etag=lesson.version)


@put(_LESSON, who=CALLER, summary="Change a lesson", refusals=(403, 404, 409, 412))
async def update_lesson(
    request: Request, course_id: UUID, lesson_id: UUID, data: UpdateLesson, module_id: UUID | None = None
) -> Reply[LessonDone]:
    """Change a lesson's fields or its place in the module. Publishes Lesson-Updated, for those that it passes too."""
    lesson = await operations.update(
        request.tx,
        course_id=course_id,
        module_id=module_id,
        lesson_id=lesson_id,
        viewer=Viewer.of(request.caller),
        changes=data.changes(),
        order=data.order,
        if_match=request.if_match(),
        most_bytes=request.context.settings.of(CoursesSettings).most_content_bytes,
        now=request.now,
    )
    return reply(LessonDone.of(lesson, "Lesson updated successfully"), etag=lesson.version)


@delete(_LESSON, who=CALLER, summary="Delete a lesson", refusals=(403, 404, 409, 412))
async def delete_lesson(
    request: Request, course_id: UUID, lesson_id: UUID, module_id: UUID | None = None
) -> Reply[LessonDone]:
    """Delete a lesson; those behind it move up. Publishes Lesson-Deleted."""
    lesson = await operations.delete(
        request.tx,
        course_id=course_id,
        module_id=module_id,
        lesson_id=lesson_id,
        viewer=Viewer.of(request.caller),
        if_match=request.if_match(),
        now=request.now,
    )
    return reply(LessonDone.of(lesson, "Lesson deleted successfully"))


@get("/internal/lessons", who=services("content"), summary="Lessons of all courses, drafts too")
async def list_lesson_states(request: Request, limit: Limit = 100, cursor: Cursor = None) -> Reply[LessonPage]:
    """Lessons by id, for the filling of copies."""
    lessons = await sql.page(request.db, after=read_id(cursor), limit=limit + 1)
    more = next_cursor(lessons, limit, lambda one: (one.lesson_id,))
    return reply(LessonPage(lessons=lessons[:limit], next_cursor=more))


@get("/internal/lessons/{lesson_id:uuid}", who=services("content", "progress"), summary="One lesson, a draft too")
async def read_lesson_state(request: Request, lesson_id: UUID) -> Reply[LessonState]:
    """A lesson's state, as its events carry it."""
    lesson = await sql.lesson(request.db, lesson_id=lesson_id)
    if lesson is None:
        raise LessonNotFound(lesson_id)
    return reply(lesson)


routes = (
    read_lesson,
    create_lesson,
    update_lesson,
    delete_lesson,
    list_lesson_states,
    read_lesson_state,
)
