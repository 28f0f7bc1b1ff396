"""The routes of enrolments."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar.params import QueryParameter

from moocflix.contracts.enrollments import EnrollmentFound, EnrollmentPage, EnrollmentState, EnrollmentStatus
from moocflix.platform.auth.access import CALLER, services
from moocflix.platform.http.pagination import Cursor, Limit, next_cursor, read_cursor, read_id
from moocflix.platform.http.reply import Reply, reply
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import delete, get, post
from moocflix.platform.ids import new_id
from moocflix.services.enrollments.course import sql as course_sql
from moocflix.services.enrollments.enrollment import operations, sql
from moocflix.services.enrollments.enrollment.model import EnrollmentNotFound, MyEnrollment, Student
from moocflix.services.enrollments.enrollment.schemas import (
    CourseEnrollmentsOut,
    EnrolledOut,
    EnrollIn,
    EnrollmentOut,
    MyEnrollmentOut,
    MyEnrollmentsOut,
    StudentOut,
    StudentsOut,
)

OfCourse = Annotated[UUID | None, QueryParameter(name="courseId", description="Only the enrolment in this course.")]
OfUser = Annotated[UUID | None, QueryParameter(name="userId", description="Only this person.")]
WithStatus = Annotated[EnrollmentStatus | None, QueryParameter(name="status", description="Only those of this status.")]

_PLACE = (datetime, UUID)


def _place_of(row: MyEnrollment | Student) -> tuple[datetime, UUID]:
    return row.enrollment.enrolled_at, row.enrollment.id


@post(
    "/api/v1/courses/{course_id:uuid}/enroll",
    who=CALLER,
    status=201,
    summary="Enrol in a course",
    refusals=(402, 403, 404, 409),
)
async def enroll(request: Request, course_id: UUID) -> Reply[EnrolledOut]:
    """A published course that is open and not one's own; one with a price takes a completed payment."""
    enrollment = await operations.enroll(
        request.tx,
        new_id=new_id(),
        event_id=new_id(),
        learner_id=request.caller.id,
        course_id=course_id,
        payment_id=None,
        by_admin=request.caller.is_admin,
        now=request.now,
    )
    return reply(EnrolledOut.saying("Enrollment successful", enrollment), status=201)


@post(
    "/api/enrollments/enroll",
    who=CALLER,
    status=201,
    summary="Enrol oneself, or as an admin somebody else",
    refusals=(402, 403, 404, 409),
)
async def enroll_user(request: Request, data: EnrollIn) -> Reply[EnrolledOut]:
    """As above; an admin may enrol anybody whose account is active."""
    caller = request.caller
    await operations.check_may_be_enrolled(
        request.tx, learner_id=data.user_id, caller_id=caller.id, is_admin=caller.is_admin
    )
    enrollment = await operations.enroll(
        request.tx,
        new_id=new_id(),
        event_id=new_id(),
        learner_id=data.user_id,
        course_id=data.course_id,
        payment_id=data.payment_id,
        by_admin=caller.is_admin,
        now=request.now,
    )
    return reply(EnrolledOut.saying("Enrollment successful", enrollment), status=201)


@get("/api/enrollments/{enrollment_id:uuid}", who=CALLER, summary="One enrolment", refusals=(404,))
async def enrollment(request: Request, enrollment_id: UUID) -> Reply[EnrollmentOut]:
    """For its learner, the course's instructor and admins."""
    caller = request.caller
    found = await sql.visible_enrollment(request.db, id=enrollment_id, caller_id=caller.id, is_admin=caller.is_admin)
    if found is None:
        raise EnrollmentNotFound
    return reply(EnrollmentOut.of(found))


@get("/api/enrollments", who=CALLER, summary="My enrolments")
async def mine(
    request: Request,
    limit: Limit = 20,
    cursor: Cursor = None,
    status: WithStatus = None,
    course_id: OfCourse = None,
) -> Reply[MyEnrollmentsOut]:
    """The latest first, the dropped ones too."""
    found = await sql.enrollments_of(
        request.db,
        user_id=request.caller.id,
        status=status,
        course_id=course_id,
        before=read_cursor(cursor, _PLACE),
        limit=limit + 1,
    )
    more = next_cursor(found, limit, _place_of)
    return reply(MyEnrollmentsOut(enrollments=[MyEnrollmentOut.listed(row) for row in found[:limit]], next_cursor=more))


@delete("/api/enrollments/{enrollment_id:uuid}", who=CALLER, summary="Drop an enrolment", refusals=(403, 404))
async def drop(request: Request, enrollment_id: UUID) -> Reply[EnrolledOut]:
    """Enrolling again takes it up, with its progress."""
    caller = request.caller
    dropped = await operations.drop(request.tx, id=enrollment_id, caller_id=caller.id, is_admin=caller.is_admin)
    return reply(EnrolledOut.saying("Enrollment dropped", dropped))


@get("/api/v1/courses/{course_id:uuid}/students", who=CALLER, summary="A course's students", refusals=(403, 404))
async def students(
    request: Request, course_id: UUID, limit: Limit = 20, cursor: Cursor = None, user_id: OfUser = None
) -> Reply[StudentsOut]:
    """For the course's instructor and admins: who is in it, with progress, the latest first."""
    found, more = await _students(request, course_id, limit=limit, cursor=cursor, user_id=user_id)
    return reply(StudentsOut(students=[StudentOut.listed(student) for student in found], next_cursor=more))


@get("/api/v1/courses/{course_id:uuid}/enrollments", who=CALLER, summary="A course's enrolments", refusals=(403, 404))
async def course_enrollments(
    request: Request, course_id: UUID, limit: Limit = 20, cursor: Cursor = None, user_id: OfUser = None
) -> Reply[CourseEnrollmentsOut]:
    """The same as `…/students`, with the list under the name `enrollments`."""
    found, more = await _students(request, course_id, limit=limit, cursor=cursor, user_id=user_id)
    return reply(CourseEnrollmentsOut(enrollments=[StudentOut.listed(student) for student in found], next_cursor=more))


async def _students(
    request: Request, course_id: UUID, *, limit: int, cursor: str | None, user_id: UUID | None
) -> tuple[list[Student], str | None]:
    before = read_cursor(cursor, _PLACE)
    course = await course_sql.course(request.db, course_id=course_id)
    course.open_to_owner(caller_id=request.caller.id, is_admin=request.caller.is_admin)
    found = await sql.students_of(request.db, course_id=course_id, user_id=user_id, before=before, limit=limit + 1)
    return found[:limit], next_cursor(found, limit, _place_of)


@get("/internal/enrollments", who=services("content", "courses", "progress"), summary="All enrolments")
async def enrollment_states(request: Request, limit: Limit = 100, cursor: Cursor = None) -> Reply[EnrollmentPage]:
    """Enrolments by id, for the filling of copies."""
    found = await sql.page(request.db, after=read_id(cursor), limit=limit + 1)
    more = next_cursor(found, limit, lambda one: (one.id,))
    return reply(EnrollmentPage(enrollments=[one.state for one in found[:limit]], next_cursor=more))


@get(
    "/internal/enrollments/{enrollment_id:uuid}",
    who=services("content", "courses", "progress"),
    summary="One enrolment's state",
)
async def enrollment_state(request: Request, enrollment_id: UUID) -> Reply[EnrollmentState]:
    """An enrolment as its events carry it."""
    found = await sql.enrollment(request.db, id=enrollment_id)
    if found is None:
        raise EnrollmentNotFound
    return reply(found.state)


@get(
    "/internal/enrollments/find", who=services("content", "courses"), summary="Whether somebody is enrolled in a course"
)
async def find_enrollment(
    request: Request,
    user_id: Annotated[UUID, QueryParameter(name="userId")],
    course_id: Annotated[UUID, QueryParameter(name="courseId")],
) -> Reply[EnrollmentFound]:
    """The enrolment of a person in a course, a dropped one too; null where there is none."""
    found = await sql.find(request.db, user_id=user_id, course_id=course_id)
    return reply(EnrollmentFound(enrollment=None if found is None else found.state))


routes = (
    enroll,
    enroll_user,
    enrollment,
    mine,
    drop,
    students,
    course_enrollments,
    enrollment_states,
    enrollment_state,
    find_enrollment,
)
