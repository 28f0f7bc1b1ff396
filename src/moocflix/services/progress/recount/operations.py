"""Counting anew after what counts has changed, and after a learner has come back."""

from datetime import datetime
from uuid import UUID

from moocflix.contracts.enrollments import EnrollmentState
from moocflix.contracts.progress import COURSE_COMPLETED, PROGRESS_UPDATED
from moocflix.platform.database.transaction import Database, Tx
from moocflix.services.progress.enrollment import sql as enrollment_sql
from moocflix.services.progress.outline import sql as outline_sql
from moocflix.services.progress.recount import sql


async def recount_course(database: Database, *, course_id: UUID, revision: int, batch: int, now: datetime) -> None:
    """Count everybody anew who is behind `revision`; nobody, where a later revision has a count of its own."""
    last: UUID | None = None
    while True:
        async with database.transaction() as tx:
            if await outline_sql.revision(tx, course_id=course_id) != revision:
                return
            behind = await sql.lock_behind(tx, course_id=course_id, after=last, at_most=batch)
            if not behind:
                return
            await _recount(tx, behind, now=now)
        last = behind[-1]


async def apply_enrollment(tx: Tx, *, enrollment: EnrollmentState, now: datetime) -> None:
    """Keep the enrolment's copy; for who comes back, count what has changed meanwhile."""
    await enrollment_sql.upsert_enrollment(tx, enrollment)
    if enrollment.status == "dropped":
        return
    behind = await sql.lock_if_behind(tx, enrollment_id=enrollment.enrollment_id)
    if behind:
        await _recount(tx, behind, now=now)


async def _recount(tx: Tx, enrollment_ids: list[UUID], *, now: datetime) -> None:
    for recounted in await sql.recount(tx, enrollment_ids=enrollment_ids, now=now):
        tx.publish(PROGRESS_UPDATED, recounted.updated)
        if recounted.completed is not None:
            tx.publish(COURSE_COMPLETED, recounted.completed)
