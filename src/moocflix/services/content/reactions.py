"""What content does on events: others' and, since another may transcode, its own."""

from moocflix.contracts.content import TranscodingCompleted, TranscodingRequested
from moocflix.contracts.courses import (
    CourseDeleted,
    CourseState,
    LessonDeleted,
    LessonState,
    ModuleDeleted,
    ModuleState,
)
from moocflix.contracts.enrollments import EnrollmentState
from moocflix.platform.clock import utc_now
from moocflix.platform.database.transaction import Tx
from moocflix.platform.events.envelope import Message
from moocflix.services.content.course import sql as course_sql
from moocflix.services.content.enrollment import sql as enrollment_sql
from moocflix.services.content.video import operations as videos


async def course_changed(tx: Tx, course: CourseState, _message: Message) -> None:
    """Keep the course's copy."""
    await course_sql.upsert_course(tx, course)


async def course_deleted(tx: Tx, course: CourseDeleted, _message: Message) -> None:
    """Leave a tombstone, and delete the course's videos."""
    await videos.apply_course_deletion(tx, course=course)


async def module_changed(tx: Tx, module: ModuleState, _message: Message) -> None:
    """Keep the module's copy."""
    await course_sql.upsert_module(tx, module)


async def module_deleted(tx: Tx, module: ModuleDeleted, _message: Message) -> None:
    """Leave a tombstone."""
    await course_sql.mark_module_deleted(tx, module)


async def lesson_changed(tx: Tx, lesson: LessonState, _message: Message) -> None:
    """Keep the lesson's copy."""
    await course_sql.upsert_lesson(tx, lesson)


async def lesson_deleted(tx: Tx, lesson: LessonDeleted, _message: Message) -> None:
    """Leave a tombstone."""
    await course_sql.mark_lesson_deleted(tx, lesson)


async def enrollment_changed(tx: Tx, enrollment: EnrollmentState, _message: Message) -> None:
    """Keep the enrolment's copy."""
    await enrollment_sql.upsert_enrollment(tx, enrollment)


async def transcoding_requested(tx: Tx, request: TranscodingRequested, _message: Message) -> None:
    """Have our own transcoder look at it."""
    await videos.enqueue_transcoding(tx, request=request)


async def transcoding_completed(tx: Tx, answer: TranscodingCompleted, _message: Message) -> None:
    """Apply an external transcoder's answer; our own was applied with the transaction that said it."""
    await videos.answer_request(tx, answer=videos.acceptable(answer), now=utc_now(), ours=False)
