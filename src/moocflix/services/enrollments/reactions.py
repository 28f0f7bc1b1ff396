"""What enrollments does on the events of others."""

from moocflix.contracts.courses import CourseDeleted, CourseState
from moocflix.contracts.progress import CourseCompleted, ProgressUpdated
from moocflix.contracts.users import UserState
from moocflix.platform.database.transaction import Tx
from moocflix.platform.events.envelope import Message
from moocflix.services.enrollments.closing import operations as closing
from moocflix.services.enrollments.course import sql as course_sql
from moocflix.services.enrollments.enrollment import operations as enrollments


async def course_changed(tx: Tx, course: CourseState, _message: Message) -> None:
    """Keep the course's copy."""
    await course_sql.upsert_course(tx, course)


async def course_deleted(tx: Tx, course: CourseDeleted, _message: Message) -> None:
    """Leave a tombstone, and have the course's enrolments removed."""
    await closing.apply_course_deletion(tx, course=course)


async def user_changed(tx: Tx, user: UserState, _message: Message) -> None:
    """Keep the user's copy."""
    await enrollments.apply_user(tx, user=user)


async def progress_updated(tx: Tx, progress: ProgressUpdated, _message: Message) -> None:
    """Keep how far the learner has come."""
    await enrollments.apply_progress(tx, progress=progress)


async def course_completed(tx: Tx, completed: CourseCompleted, _message: Message) -> None:
    """Make the enrolment completed."""
    await enrollments.complete(tx, completed=completed)
