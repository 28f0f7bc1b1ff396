"""Enrolling, dropping, and what others' events make of an enrolment."""

from datetime import datetime
from uuid import UUID

from moocflix.contracts.enrollments import STUDENT_UNENROLLED
from moocflix.contracts.progress import CourseCompleted, ProgressUpdated
from moocflix.contracts.users import UserState
from moocflix.platform.database.transaction import Tx
from moocflix.platform.errors import CopyMissing
from moocflix.services.enrollments.enrollment import sql
from moocflix.services.enrollments.enrollment.model import Enrollment, EnrollmentNotFound, OnlyForYourself
from moocflix.services.enrollments.learner import sql as learner_sql
from moocflix.services.enrollments.learner.model import LearnerNotActive


async def enroll(
    tx: Tx,
    *,
    new_id: UUID,
    event_id: UUID,
    learner_id: UUID,
    course_id: UUID,
    payment_id: UUID | None,
    by_admin: bool,
    now: datetime,
) -> Enrollment:
    """Let a learner into a course, in one statement."""
    admission = await sql.enroll(
        tx,
        id=new_id,
        event_id=event_id,
        user_id=learner_id,
        course_id=course_id,
        payment_id=payment_id,
        now=now,
    )
    if admission.verdict == "draft" and not by_admin:
        # It may have been published a moment ago: its owner knows.
        raise CopyMissing("course published meanwhile", course_id)
    enrollment = admission.accepted(by_admin=by_admin)
    tx.wake()
    return enrollment


async def check_may_be_enrolled(tx: Tx, *, learner_id: UUID, caller_id: UUID, is_admin: bool) -> None:
    """Return where the caller may enrol this learner. The caller's own account was seen to by the edge."""
    if learner_id == caller_id:
        return
    if not is_admin:
        raise OnlyForYourself("enroll")
    if not await learner_sql.is_active(tx, user_id=learner_id):
        raise LearnerNotActive(learner_id)


async def drop(tx: Tx, *, id: UUID, caller_id: UUID, is_admin: bool) -> Enrollment:
    """Drop one's own enrolment; one that is dropped stays so, and nobody is told again."""
    dropped = await sql.drop(tx, id=id, user_id=caller_id)
    if dropped is not None:
        tx.publish(STUDENT_UNENROLLED, dropped.state)
        return dropped
    enrollment = await sql.visible_enrollment(tx, id=id, caller_id=caller_id, is_admin=is_admin)
    if enrollment is None:
        raise EnrollmentNotFound
    if enrollment.user_id != caller_id:
        raise OnlyForYourself("drop")
    return enrollment


async def apply_progress(tx: Tx, *, progress: ProgressUpdated) -> None:
    """Keep how far the learner has come in the course."""
    await sql.apply_progress(tx, progress)


async def complete(tx: Tx, *, completed: CourseCompleted) -> None:
    """Make the enrolment completed."""
    await sql.complete(tx, completed)


async def apply_user(tx: Tx, *, user: UserState) -> None:
    """Keep the user's name and state; the enrolments of a person who was erased end and go."""
    await learner_sql.upsert_user(tx, user)
    if user.state != "erased":
        return
    for enrollment in await sql.drop_all_of(tx, user_id=user.user_id):
        tx.publish(STUDENT_UNENROLLED, enrollment.state)
    await sql.remove_all_of(tx, user_id=user.user_id)
