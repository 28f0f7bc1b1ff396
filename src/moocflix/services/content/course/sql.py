"""The statements of courses_copy, modules_copy and lessons_copy."""

from uuid import UUID

from moocflix.contracts.courses import (
    CourseDeleted,
    CourseState,
    LessonDeleted,
    LessonState,
    ModuleDeleted,
    ModuleState,
)
from moocflix.platform.database.transaction import Reader, Tx
from moocflix.platform.errors import CopyMissing
from moocflix.services.content.course.model import CourseCopy, CourseNotFound


async def course(db: Reader, *, course_id: UUID) -> CourseCopy:
    """The copy of a course. Raises CopyMissing where its state is not here, CourseNotFound where it was deleted."""
    row = await db.fetchrow(
        "SELECT course_id, version, instructor_id, published, deleted FROM courses_copy WHERE course_id = $1", course_id
    )
    if row is None or row["version"] == 0:
        raise CopyMissing("course", course_id)
    if row["deleted"]:
        raise CourseNotFound(course_id)
    return CourseCopy(course_id=row["course_id"], instructor_id=row["instructor_id"], published=row["published"])


async def hold_course(tx: Tx, *, course_id: UUID) -> None:
    """Keep the course from being deleted until this transaction has ended. Raises CourseNotFound where it was."""
    row = await tx.fetchrow("SELECT deleted FROM courses_copy WHERE course_id = $1 FOR SHARE", course_id)
    if row is None or row["deleted"]:
        raise CourseNotFound(course_id)


async def name_course(tx: Tx, *, course_id: UUID) -> None:
    """Make an empty copy, where there is none, of a course that something else speaks of."""
    await tx.execute("INSERT INTO courses_copy (course_id) VALUES ($1) ON CONFLICT DO NOTHING", course_id)


async def upsert_course(tx: Tx, state: CourseState) -> None:
    """Apply a course's state where it is newer than the copy."""
    await tx.execute(
        """
        INSERT INTO courses_copy AS c (course_id, version, instructor_id, published)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (course_id) DO UPDATE
           SET version = excluded.version, instructor_id = excluded.instructor_id, published = excluded.published
         WHERE c.version < excluded.version AND NOT c.deleted
        """,
        state.course_id,
        state.version,
        state.instructor_id,
        state.status == "published",
    )


async def mark_course_deleted(tx: Tx, gone: CourseDeleted) -> None:
    """Leave a tombstone: the copy of a course that was deleted."""
    await tx.execute(
        """
        INSERT INTO courses_copy AS c (course_id, version, instructor_id, deleted)
        VALUES ($1, $2, $3, true)
        ON CONFLICT (course_id) DO UPDATE
           SET version = excluded.version, instructor_id = excluded.instructor_id, published = false, deleted = true
         WHERE c.version < excluded.version
        """,
        gone.course_id,
        gone.version,
        gone.instructor_id,
    )


async def upsert_module(tx: Tx, state: ModuleState) -> None:
    """Apply a module's state where it is newer than the copy."""
    await name_course(tx, course_id=state.course_id)
    await tx.execute(
        """
        INSERT INTO modules_copy AS m (module_id, version, course_id, published)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (module_id) DO UPDATE
           SET version = excluded.version, published = excluded.published
         WHERE m.version < excluded.version AND NOT m.deleted
        """,
        state.module_id,
        state.version,
        state.course_id,
        state.status == "published",
    )


async def mark_module_deleted(tx: Tx, gone: ModuleDeleted) -> None:
    """Leave a tombstone: the copy of a module that was deleted."""
    await name_course(tx, course_id=gone.course_id)
    await tx.execute(
        """
        INSERT INTO modules_copy AS m (module_id, version, course_id, deleted)
        VALUES ($1, $2, $3, true)
        ON CONFLICT (module_id) DO UPDATE
           SET version = excluded.version, published = false, deleted = true
         WHERE m.version < excluded.version
        """,
        gone.module_id,
        gone.version,
        gone.course_id,
    )


async def upsert_lesson(tx: Tx, state: LessonState) -> None:
    """Apply a lesson's state where it is newer than the copy."""
    await name_course(tx, course_id=state.course_id)
    await tx.execute(
        """
        INSERT INTO lessons_copy AS l (lesson_id, version, course_id, module_id, video_id, preview, published)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (lesson_id) DO UPDATE
           SET version = excluded.version, module_id = excluded.module_id, video_id = excluded.video_id,
               preview = excluded.preview, published = excluded.published
         WHERE l.version < excluded.version AND NOT l.deleted
        """,
        state.lesson_id,
        state.version,
        state.course_id,
        state.module_id,
        state.video_id,
        state.preview,
        state.status == "published",
    )


async def mark_lesson_deleted(tx: Tx, gone: LessonDeleted) -> None:
    """Leave a tombstone: the copy of a lesson that was deleted."""
    await name_course(tx, course_id=gone.course_id)
    await tx.execute(
        """
        INSERT INTO lessons_copy AS l (lesson_id, version, course_id, module_id, deleted)
        VALUES ($1, $2, $3, $4, true)
        ON CONFLICT (lesson_id) DO UPDATE
           SET version = excluded.version, video_id = NULL, preview = false, published = false, deleted = true
         WHERE l.version < excluded.version
        """,
        gone.lesson_id,
        gone.version,
        gone.course_id,
        gone.module_id,
    )
