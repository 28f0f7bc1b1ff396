"""What progress does beside requests."""

from datetime import timedelta
from uuid import UUID

from moocflix.platform.clock import utc_now
from moocflix.platform.service import JobRun
from moocflix.services.progress.progress import operations as progress
from moocflix.services.progress.recount import operations as recounts
from moocflix.services.progress.settings import ProgressSettings


async def recount_course(run: JobRun) -> None:
    """Count everybody in a course anew after what counts has changed, and have a second look a little later."""
    settings = run.context.settings.of(ProgressSettings)
    course_id, revision = UUID(run.payload["courseId"]), int(run.payload["revision"])
    database, now = run.context.database, utc_now()
    counted = await recounts.recount_course(
        database, course_id=course_id, revision=revision, batch=settings.batch, now=now
    )
    if counted and not run.payload["again"]:
        at = now + timedelta(seconds=settings.second_look)
        await recounts.look_again(database, course_id=course_id, revision=revision, at=at)


async def forget_course(run: JobRun) -> None:
    """Remove everybody's progress in a course that was deleted."""
    await progress.forget_course(
        run.context.database,
        course_id=UUID(run.payload["courseId"]),
        batch=run.context.settings.of(ProgressSettings).batch,
    )
