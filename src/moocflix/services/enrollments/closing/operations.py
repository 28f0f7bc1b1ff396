"""Closing a course, opening it again, and what is left to do when it was deleted."""

from uuid import UUID

from moocflix.contracts.courses import CourseDeleted
from moocflix.contracts.enrollments import STUDENT_UNENROLLED
from moocflix.platform import jobs
from moocflix.platform.database.transaction import Database, Tx
from moocflix.services.enrollments.closing import sql
from moocflix.services.enrollments.closing.model import StudentsEnrolled
from moocflix.services.enrollments.course import sql as course_sql

FORGET_COURSE = "forget-course"


async def close(database: Database, *, course_id: UUID, force: bool, batch: int) -> int:
    """Close a course; how many were taken out of it by force. Raises Conflict where somebody is in it otherwise.

    By force, first nobody gets in any more, then those who are in go, `batch` to a transaction: what a crash or a
    caller's time limit interrupts, the next call goes on with.
    """
    async with database.transaction() as tx:
        await sql.lock(tx, course_id=course_id)
        await sql.set_closed(tx, course_id=course_id, closed=True)
        if not force and await sql.anybody_in(tx, course_id=course_id):
            raise StudentsEnrolled(course_id)
    return await take_everybody_out(database, course_id=course_id, batch=batch) if force else 0


async def take_everybody_out(database: Database, *, course_id: UUID, batch: int) -> int:
    """Drop every enrolment in a course, with its event; how many that were."""
    total = 0
    while taken := await _take_some_out(database, course_id=course_id, at_most=batch):
        total += taken
    return total


async def reopen(tx: Tx, *, course_id: UUID) -> None:
    """Let people in again. It changes nothing where the course is open."""
    await sql.set_closed(tx, course_id=course_id, closed=False)


async def apply_course_deletion(tx: Tx, *, course: CourseDeleted) -> None:
    """Leave a tombstone of a deleted course; a job removes what enrolments it had."""
    await course_sql.mark_course_deleted(tx, course)
    await jobs.enqueue(tx, FORGET_COURSE, {"courseId": str(course.course_id)}, unique_key=str(course.course_id))


async def forget_course(database: Database, *, course_id: UUID, batch: int) -> None:
    """Remove the enrolments in a course that was deleted; whoever is still in it is told."""
    await take_everybody_out(database, course_id=course_id, batch=batch)
    while await _remove_some(database, course_id=course_id, at_most=batch):
        pass


async def _take_some_out(database: Database, *, course_id: UUID, at_most: int) -> int:
    async with database.transaction() as tx:
        dropped = await sql.drop_some(tx, course_id=course_id, at_most=at_most)
        for enrollment in dropped:
            tx.publish(STUDENT_UNENROLLED, enrollment.state)
    return len(dropped)


async def _remove_some(database: Database, *, course_id: UUID, at_most: int) -> int:
    async with database.transaction() as tx:
        return await sql.remove_some(tx, course_id=course_id, at_most=at_most)
