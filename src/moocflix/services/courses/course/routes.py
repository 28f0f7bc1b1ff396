"""Courses over HTTP: one of them, made, changed and read."""

from uuid import UUID

from moocflix.contracts.courses import CoursePage, CourseState
from moocflix.platform.auth.access import ANYONE, CALLER, INSTRUCTOR, services
from moocflix.platform.http.pagination import Cursor, Limit, next_cursor, read_id
from moocflix.platform.http.reply import NOT_KEPT, Reply, reply
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import get, post, put
from moocflix.platform.ids import new_id
from moocflix.services.courses.course import operations, sql
from moocflix.services.courses.course.model import CourseNotFound, Viewer
from moocflix.services.courses.course.schemas import CourseDone, CourseOut, CreateCourse, UpdateCourse


@post(
    ["/api/v1/courses", "/api/v1/courses/create"],
    who=INSTRUCTOR,
    status=201,
    summary="Create a course",
)
async def create_course(request: Request, data: CreateCourse) -> Reply[CourseDone]:
    """Make a course, a draft unless `status` says otherwise. Publishes Course-Creation."""
    course = await operations.create(
        request.tx, new_id=new_id(), instructor_id=request.caller.id, fields=data.fields(), now=request.now
    )
    return reply(CourseDone.of(course, "Course created successfully"), status=201, etag=course.version)


@put(
    ["/api/v1/courses/{course_id:uuid}", "/api/v1/courses/{course_id:uuid}/update"],
    who=CALLER,
    summary="Change a course",
    refusals=(403, 404, 409, 412),
)
async def update_course(request: Request, course_id: UUID, data: UpdateCourse) -> Reply[CourseDone]:
    """Change any of a course's fields, as its instructor or an admin. Publishes Course-Update.

    A course that is put back to `draft` closes for everybody but its instructor and admins, for those who are enrolled
    too, until it is published again; they keep their enrolment and their progress.
    """
    course = await operations.update(
        request.tx,
        course_id=course_id,
        viewer=Viewer.of(request.caller),
        changes=data.changes(),
        if_match=request.if_match(),
        now=request.now,
    )
    return reply(CourseDone.of(course, "Course updated successfully"), etag=course.version)


@get("/api/v1/courses/{course_id:uuid}", who=ANYONE, cached=True, summary="Read a course", refusals=(404,))
async def read_course(request: Request, course_id: UUID) -> Reply[CourseOut]:
    """All that is known of a course; drafts only for their instructor and admins.

    The `ETag` is for `If-Match`: counts, the rating and the instructor's name change without it.
    """
    course = await sql.details(request.db, course_id=course_id, viewer=Viewer.of(request.maybe_caller))
    if course is None:
        raise CourseNotFound(course_id)
    if course.status == "published":
        request.share()
    return reply(CourseOut.of(course), etag=course.version, headers=NOT_KEPT)


@get("/internal/courses", who=services("content", "enrollments", "progress"), summary="All courses, drafts too")
async def list_course_states(request: Request, limit: Limit = 100, cursor: Cursor = None) -> Reply[CoursePage]:
    """Courses by id, for the filling of copies."""
    courses = await sql.page(request.db, after=read_id(cursor), limit=limit + 1)
    more = next_cursor(courses, limit, lambda one: (one.id,))
    return reply(CoursePage(courses=[course.state() for course in courses[:limit]], next_cursor=more))


@get(
    "/internal/courses/{course_id:uuid}",
    who=services("content", "enrollments", "progress"),
    summary="One course, a draft too",
)
async def read_course_state(request: Request, course_id: UUID) -> Reply[CourseState]:
    """A course's state, as its events carry it."""
    course = await sql.course(request.db, course_id=course_id)
    if course is None:
        raise CourseNotFound(course_id)
    return reply(course.state())


routes = (create_course, update_course, read_course, list_course_states, read_course_state)
