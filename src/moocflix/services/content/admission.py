"""Who is let in where no copy says so yet: courses and enrolments asked of their owners, one question each."""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from moocflix.contracts.courses import COURSE
from moocflix.contracts.enrollments import find_enrollment
from moocflix.platform.auth.principal import Principal
from moocflix.platform.database.transaction import Tx
from moocflix.platform.errors import CopyMissing
from moocflix.platform.service import ServiceContext
from moocflix.services.content.course import sql as course_sql
from moocflix.services.content.course.model import CourseCopy, CourseNotFound
from moocflix.services.content.enrollment import sql as enrollment_sql
from moocflix.services.content.parts import Parts

S = TypeVar("S")


async def taught_course(context: ServiceContext, *, course_id: UUID, caller: Principal) -> CourseCopy:
    """A course that this person may add to. Raises NotYourCourse or CourseNotFound.

    For uploads: the edge, which finds missing copies for all others, cannot run a handler again that has read its body.
    """
    course = await _known_course(context, course_id)
    return course.taught_by(caller.id, is_admin=caller.is_admin)


async def is_admitted(
    context: ServiceContext, *, user_id: UUID, course_id: UUID, is_open: bool, enrolled: bool
) -> bool:
    """Whether this person, whom the copies here let in nowhere, may watch all the same: an event may be on its way.

    `is_open` and `enrolled` are what the copies say. A no is believed for a few seconds. Raises Unavailable while whom
    it asks is away.
    """
    recently_refused = context.part(Parts).recently_refused
    if (user_id, course_id) in recently_refused:
        return False
    admitted = (is_open or await _is_open(context, course_id)) and (
        enrolled or await _is_enrolled(context, user_id=user_id, course_id=course_id)
    )
    if not admitted:
        recently_refused.add((user_id, course_id))
    return admitted


async def _is_open(context: ServiceContext, course_id: UUID) -> bool:
    state = await COURSE.fetch(context, course_id)
    if state is None or state.status != "published":
        return False
    await _take_over(context, state, course_sql.upsert_course)
    return True


async def _is_enrolled(context: ServiceContext, *, user_id: UUID, course_id: UUID) -> bool:
    state = await find_enrollment(context, user_id=user_id, course_id=course_id)
    if state is None:
        return False
    await _take_over(context, state, enrollment_sql.upsert_enrollment)
    return True


async def _known_course(context: ServiceContext, course_id: UUID) -> CourseCopy:
    try:
        return await course_sql.course(context.database.reader, course_id=course_id)
    except CopyMissing:
        state = await COURSE.fetch(context, course_id)
    if state is None:
        raise CourseNotFound(course_id)
    await _take_over(context, state, course_sql.upsert_course)
    return await course_sql.course(context.database.reader, course_id=course_id)


async def _take_over(context: ServiceContext, state: S, upsert: Callable[[Tx, S], Awaitable[object]]) -> None:
    async with context.database.transaction() as tx:
        await upsert(tx, state)
