"""The statements of courses_copy."""

from uuid import UUID

from moocflix.contracts.courses import CourseDeleted, CourseState
from moocflix.platform.database.transaction import Reader, Tx
from moocflix.platform.errors import CopyMissing
from moocflix.services.enrollments.course.model import CourseCopy, CourseNotFound


async def course(db: Reader, *, course_id: UUID) -> CourseCopy:
    """The copy of a course. Raises CopyMissing where its state is not here, NotFound where it was deleted."""
    row = await db.fetchrow(
        "SELECT course_id, version, instructor_id, status, deleted FROM courses_copy WHERE course_id = $1", course_id
    )
    if row is None or row["version"] == 0:
        raise CopyMissing("course", course_id)
    if row["deleted"]:
        raise CourseNotFound(course_id)
    return CourseCopy.of(row)


async def upsert_course(tx: Tx, state: CourseState) -> None:
    """Apply a course's state where it is newer than the copy."""
    await tx.execute(
        """
        INSERT INTO courses_copy AS c (course_id, version, instructor_id, title, status, price, currency)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (course_id) DO UPDATE
           SET version = excluded.version, instructor_id = excluded.instructor_id, title = excluded.title,
               status = excluded.status, price = excluded.price, currency = excluded.currency
         WHERE c.version < excluded.version AND NOT c.deleted
        """,
        state.course_id,
        state.version,
        state.instructor_id,
        state.title,
        state.status,
        state.price,
        state.currency,
    )


async def mark_course_deleted(tx: Tx, gone: CourseDeleted) -> None:
    """Leave a tombstone: the copy of a course that was deleted."""
    await tx.execute(
        """
        INSERT INTO courses_copy AS c (course_id, version, instructor_id, title, deleted)
        VALUES ($1, $2, $3, $4, true)
        ON CONFLICT (course_id) DO UPDATE
           SET version = excluded.version, instructor_id = excluded.instructor_id, title = excluded.title,
               deleted = true
         WHERE c.version < excluded.version
        """,
        gone.course_id,
        gone.version,
        gone.instructor_id,
        gone.title,
    )
