"""What happens to the copy of enrolments."""

from moocflix.contracts.enrollments import EnrollmentState
from moocflix.platform.database.transaction import Tx
from moocflix.services.courses.enrollment import sql


async def apply_enrollment(tx: Tx, enrollment: EnrollmentState) -> None:
    """Keep who is enrolled, and how many they are; of a course that is gone there is nothing to keep."""
    if await sql.lock_figures(tx, enrollment):
        await sql.upsert(tx, enrollment)
