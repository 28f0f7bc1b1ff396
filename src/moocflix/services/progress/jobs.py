"""What progress does beside requests."""

from uuid import UUID

from moocflix.platform.clock import utc_now
from moocflix.platform.service import JobRun
from moocflix.services.progress.progress import operations as progress
from moocflix.services.progress.recount import operations as recounts
from moocflix.services.progress.settings import ProgressSettings


async def recount_course(run: JobRun) -> None:
    """Count everybody in a course anew after what counts has changed."""
    await recounts.recount_course(
        run.context.database,
        course_id=UUID(run.payload["courseId"]),
        revision=int(run.payload["revision"]),
        batch=run.context.settings.of(ProgressSettings).batch,
        now=utc_now(),
    )


async def forget_course(run: JobRun) -> None:
    """Remove everybody's progress in a course that was deleted."""
    await progress.forget_course(
        run.context.database,
        course_id=UUID(run.payload["courseId"]),
        batch=run.context.settings.of(ProgressSettings).batch,
    )
