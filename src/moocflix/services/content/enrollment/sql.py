"""The statements of enrollments_copy."""

from moocflix.contracts.enrollments import EnrollmentState
from moocflix.platform.database.transaction import Tx
from moocflix.services.content.course import sql as course_sql


async def upsert_enrollment(tx: Tx, state: EnrollmentState) -> None:
    """Apply an enrolment's state where it is newer than the copy."""
    await course_sql.name_course(tx, course_id=state.course_id)
    await tx.execute(
        """
        INSERT INTO enrollments_copy AS e (enrollment_id, version, user_id, course_id, active)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (enrollment_id) DO UPDATE
           SET version = excluded.version, active = excluded.active
         WHERE e.version < excluded.version
        """,
        state.enrollment_id,
        state.version,
        state.user_id,
        state.course_id,
        state.status != "dropped",
    )
