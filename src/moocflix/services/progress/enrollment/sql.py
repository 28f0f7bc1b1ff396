"""The statements of enrollments_copy."""

from uuid import UUID

from moocflix.contracts.enrollments import EnrollmentState
from moocflix.platform.database.transaction import Reader, Tx
from moocflix.platform.errors import CopyMissing
from moocflix.services.progress.enrollment.model import EnrollmentCopy
from moocflix.services.progress.outline import sql as outline_sql


async def enrollment(db: Reader, *, id: UUID) -> EnrollmentCopy:
    """The copy of an enrolment. Raises CopyMissing where its state is not here."""
    row = await db.fetchrow(
        """
        SELECT e.enrollment_id, e.user_id, e.course_id, e.status, c.instructor_id,
               coalesce(o.version > 0, false) AS outline_known
          FROM enrollments_copy AS e
          JOIN courses_copy AS c USING (course_id)
          LEFT JOIN outlines AS o USING (course_id)
         WHERE e.enrollment_id = $1 AND e.version > 0
        """,
        id,
    )
    if row is None:
        raise CopyMissing("enrollment", id)
    return EnrollmentCopy(**{name: row[name] for name in EnrollmentCopy.__struct_fields__})


async def upsert_enrollment(tx: Tx, state: EnrollmentState) -> None:
    """Apply an enrolment's state where it is newer than the copy."""
    await outline_sql.name_course(tx, course_id=state.course_id)
    await tx.execute(
        """
        INSERT INTO enrollments_copy AS e (enrollment_id, version, user_id, course_id, status)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (enrollment_id) DO UPDATE
           SET version = excluded.version, user_id = excluded.user_id, course_id = excluded.course_id,
               status = excluded.status
         WHERE e.version < excluded.version
        """,
        state.enrollment_id,
        state.version,
        state.user_id,
        state.course_id,
        state.status,
    )
