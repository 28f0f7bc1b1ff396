"""Noting what a learner did, and forgetting what was done in a course that is gone."""

from uuid import UUID

from moocflix.platform.auth.principal import Principal
from moocflix.platform.database.transaction import Database, Tx
from moocflix.platform.errors import CopyMissing
from moocflix.services.progress.enrollment import sql as enrollment_sql
from moocflix.services.progress.progress import sql
from moocflix.services.progress.progress.model import (
    LessonNotInCourse,
    LessonNotInModule,
    Noted,
    NotYourProgress,
    ProgressNotFound,
    Update,
    Verdict,
)


async def note(tx: Tx, update: Update, *, caller: Principal, new_id: UUID, event_ids: tuple[UUID, UUID]) -> Noted:
    """Note what a learner did in a lesson: progress never falls, time adds up, the course completes once."""
    noted = await _try(tx, update, caller=caller, new_id=new_id, event_ids=event_ids)
    if noted is None:
        # Another update of this enrolment came between. With the row locked none can, so that this try is the last.
        await sql.lock(tx, enrollment_id=update.enrollment_id)
        noted = await _try(tx, update, caller=caller, new_id=new_id, event_ids=event_ids)
    if noted is None:
        raise RuntimeError(f"the progress of enrollment {update.enrollment_id} changed while it was locked")
    tx.wake()
    return noted


async def _try(
    tx: Tx, update: Update, *, caller: Principal, new_id: UUID, event_ids: tuple[UUID, UUID]
) -> Noted | None:
    found = await sql.note(tx, update, caller_id=caller.id, new_id=new_id, event_ids=event_ids)
    if found is None:
        raise CopyMissing("enrollment", update.enrollment_id)
    verdict, course_id, noted = found
    if verdict == "stranger":
        enrollment = await enrollment_sql.enrollment(tx, id=update.enrollment_id)
        raise NotYourProgress if enrollment.visible_to(caller.id, is_admin=caller.is_admin) else ProgressNotFound
    if verdict != "noted":
        raise _refusal(verdict, update, course_id=course_id)
    return noted


def _refusal(verdict: Verdict, update: Update, *, course_id: UUID) -> Exception:
    match verdict:
        case "dropped":
            # It may have been taken up again a moment ago: its owner knows.
            return CopyMissing("enrollment taken up meanwhile", update.enrollment_id)
        case "outline_unknown":
            return CopyMissing("outline", course_id)
        case "lesson_unknown" | "unpublished":
            unknown = verdict == "lesson_unknown"
            # What is a draft here may have been published a moment ago.
            meanwhile = CopyMissing("lesson published meanwhile", update.lesson_id)
            return CopyMissing("lesson", update.lesson_id) if unknown else meanwhile
        case "lesson":
            return LessonNotInCourse()
        case "module":
            return LessonNotInModule()
        case "stranger" | "noted":
            return ProgressNotFound()


async def forget_course(database: Database, *, course_id: UUID, batch: int) -> None:
    """Remove everybody's progress in a course that was deleted."""
    removed = batch
    while removed:
        async with database.transaction() as tx:
            removed = await sql.remove_some(tx, course_id=course_id, at_most=batch)
