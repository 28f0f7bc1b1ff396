"""What enrollments does beside requests."""

from uuid import UUID

from moocflix.platform.service import JobRun
from moocflix.services.enrollments.closing import operations
from moocflix.services.enrollments.settings import EnrollmentsSettings


async def forget_course(run: JobRun) -> None:
    """Remove the enrolments in a course that was deleted."""
    await operations.forget_course(
        run.context.database,
        course_id=UUID(run.payload["courseId"]),
        batch=run.context.settings.of(EnrollmentsSettings).batch,
    )
