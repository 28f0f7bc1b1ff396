"""What progress does on the events of others, and with what it fetches where it cannot wait for them."""

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
from moocflix.services.progress.outline import operations as outlines
from moocflix.services.progress.outline.model import Outline, PublishedLesson
from moocflix.services.progress.recount import operations as recounts


async def course_changed(tx: Tx, course: CourseState, _message: Message) -> None:
    """Keep the course's copy."""
    await outlines.apply_course(tx, course=course)


async def course_deleted(tx: Tx, course: CourseDeleted, _message: Message) -> None:
    """Leave a tombstone, and have everybody's progress in the course removed."""
    await outlines.apply_course_deletion(tx, course=course)


async def module_changed(tx: Tx, module: ModuleState | ModuleDeleted, _message: Message) -> None:
    """Keep the module's copy, and count anew where that changes what counts."""
    await outlines.apply_module(tx, module=module, now=utc_now())


async def lesson_changed(tx: Tx, lesson: LessonState | LessonDeleted, _message: Message) -> None:
    """Keep the lesson's copy, and count anew where that changes what counts."""
    await outlines.apply_lesson(tx, lesson=lesson, now=utc_now())


async def enrollment_changed(tx: Tx, enrollment: EnrollmentState, _message: Message) -> None:
    """Keep the enrolment's copy."""
    await recounts.apply_enrollment(tx, enrollment=enrollment, now=utc_now())


async def outline_fetched(tx: Tx, outline: Outline) -> None:
    """Keep a whole outline."""
    await outlines.load(tx, outline=outline, now=utc_now())


async def lesson_fetched(tx: Tx, lesson: LessonState) -> None:
    """Keep a lesson that a learner has found before its event was here."""
    await outlines.apply_lesson(tx, lesson=lesson, now=utc_now())


async def published_lesson_fetched(tx: Tx, found: PublishedLesson) -> None:
    """Keep a lesson and its module that a learner has found published before their events were here."""
    now = utc_now()
    await outlines.apply_module(tx, module=found.module, now=now)
    await outlines.apply_lesson(tx, lesson=found.lesson, now=now)
