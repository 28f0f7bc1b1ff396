"""What the events of courses, modules and lessons make of an outline."""

from datetime import datetime
from uuid import UUID

from moocflix.contracts.courses import (
    CourseDeleted,
    CourseState,
    LessonDeleted,
    LessonState,
    ModuleDeleted,
    ModuleState,
)
from moocflix.platform import jobs
from moocflix.platform.database.transaction import Tx
from moocflix.services.progress.outline import sql
from moocflix.services.progress.outline.model import FORGET_COURSE, RECOUNT_COURSE, SETTLING, Outline


async def apply_course(tx: Tx, *, course: CourseState) -> None:
    """Keep the course's copy."""
    await sql.upsert_course(tx, course)


async def apply_course_deletion(tx: Tx, *, course: CourseDeleted) -> None:
    """Leave a tombstone of a deleted course; a job removes everybody's progress in it."""
    await sql.mark_course_deleted(tx, course)
    await jobs.enqueue(tx, FORGET_COURSE, {"courseId": str(course.course_id)}, unique_key=str(course.course_id))


async def apply_module(tx: Tx, *, module: ModuleState | ModuleDeleted, now: datetime) -> None:
    """Keep the module's copy; where its lessons count from now on, or no longer, everybody is counted anew."""
    await sql.lock(tx, course_id=module.course_id)
    if await sql.upsert_module(tx, module):
        await _move_on(tx, course_id=module.course_id, now=now)


async def apply_lesson(tx: Tx, *, lesson: LessonState | LessonDeleted, now: datetime) -> None:
    """Keep the lesson's copy; where it counts from now on, or no longer, everybody is counted anew."""
    await sql.lock(tx, course_id=lesson.course_id)
    if await sql.upsert_lesson(tx, lesson):
        await _move_on(tx, course_id=lesson.course_id, now=now)


async def load(tx: Tx, *, outline: Outline, now: datetime) -> None:
    """Take over a whole outline from its owner; from here on its events keep it."""
    course_id = outline.course.course_id
    await sql.lock(tx, course_id=course_id)
    await sql.upsert_course(tx, outline.course)
    for module in outline.modules:
        await sql.upsert_module(tx, module)
    for lesson in outline.lessons:
        await sql.upsert_lesson(tx, lesson)
    await sql.set_known(tx, course_id=course_id, version=outline.version)
    revision = await sql.move_on(tx, course_id=course_id)
    # Nobody begins without an outline, so there is something to count only where it was known before and lost.
    if revision is not None and await sql.anybody_begun(tx, course_id=course_id):
        await _have_counted(tx, course_id=course_id, revision=revision, now=now)


async def _move_on(tx: Tx, *, course_id: UUID, now: datetime) -> None:
    revision = await sql.move_on(tx, course_id=course_id)
    if revision is not None:
        await _have_counted(tx, course_id=course_id, revision=revision, now=now)


async def _have_counted(tx: Tx, *, course_id: UUID, revision: int, now: datetime) -> None:
    await jobs.enqueue(
        tx,
        RECOUNT_COURSE,
        {"courseId": str(course_id), "revision": revision},
        unique_key=f"{course_id}:{revision}",
        run_at=now + SETTLING,
    )
