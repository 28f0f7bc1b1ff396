"""The statements of courses, modules and lessons, and of what counts in a course."""

from uuid import UUID

from moocflix.contracts.courses import (
    CourseDeleted,
    CourseState,
    LessonDeleted,
    LessonState,
    ModuleDeleted,
    ModuleState,
)
from moocflix.platform.database.transaction import Tx


async def upsert_course(tx: Tx, state: CourseState) -> None:
    """Apply a course's state where it is newer than the copy."""
    await tx.execute(
        """
        INSERT INTO courses_copy AS c (course_id, version, instructor_id) VALUES ($1, $2, $3)
        ON CONFLICT (course_id) DO UPDATE SET version = excluded.version, instructor_id = excluded.instructor_id
         WHERE c.version < excluded.version AND NOT c.deleted
        """,
        state.course_id,
        state.version,
        state.instructor_id,
    )


async def mark_course_deleted(tx: Tx, gone: CourseDeleted) -> None:
    """Leave a tombstone: the copy of a course that was deleted."""
    await tx.execute(
        """
        INSERT INTO courses_copy AS c (course_id, version, instructor_id, deleted) VALUES ($1, $2, $3, true)
        ON CONFLICT (course_id) DO UPDATE
           SET version = excluded.version, instructor_id = excluded.instructor_id, deleted = true
         WHERE c.version < excluded.version
        """,
        gone.course_id,
        gone.version,
        gone.instructor_id,
    )


async def name_course(tx: Tx, *, course_id: UUID) -> None:
    """Make an empty copy, where there is none, of a course that something else speaks of."""
    await tx.execute("INSERT INTO courses_copy (course_id) VALUES ($1) ON CONFLICT DO NOTHING", course_id)


async def lock(tx: Tx, *, course_id: UUID) -> None:
    """Make sure of a course's outline, and let nobody else change it; always before its modules and lessons."""
    await name_course(tx, course_id=course_id)
    await tx.execute("INSERT INTO outlines (course_id) VALUES ($1) ON CONFLICT DO NOTHING", course_id)
    await tx.execute("SELECT FROM outlines WHERE course_id = $1 FOR NO KEY UPDATE", course_id)


async def upsert_module(tx: Tx, state: ModuleState | ModuleDeleted) -> bool:
    """Apply a module's state where it is newer than the copy; whether that may change what counts."""
    status, position = (state.status, state.order) if isinstance(state, ModuleState) else ("deleted", 0)
    changed = await tx.fetchval(
        """
        INSERT INTO modules_copy AS m (module_id, version, course_id, status, position) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (module_id) DO UPDATE
           SET version = excluded.version, course_id = excluded.course_id, status = excluded.status,
               position = excluded.position
         WHERE m.version < excluded.version
        RETURNING (m.status = 'published') IS DISTINCT FROM
                  coalesce((SELECT old.status = 'published' FROM modules_copy AS old WHERE old.module_id = $1), false)
        """,
        state.module_id,
        state.version,
        state.course_id,
        status,
        position,
    )
    return bool(changed)


async def upsert_lesson(tx: Tx, state: LessonState | LessonDeleted) -> bool:
    """Apply a lesson's state where it is newer than the copy; whether that may change what counts."""
    await tx.execute(
        "INSERT INTO modules_copy (module_id, course_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        state.module_id,
        state.course_id,
    )
    title, status, position = "", "deleted", 0
    if isinstance(state, LessonState):
        title, status, position = state.title, state.status, state.order
    changed = await tx.fetchval(
        """
        INSERT INTO lessons_copy AS l (lesson_id, version, course_id, module_id, title, status, position)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (lesson_id) DO UPDATE
           SET version = excluded.version, course_id = excluded.course_id, module_id = excluded.module_id,
               title = excluded.title, status = excluded.status, position = excluded.position
         WHERE l.version < excluded.version
        RETURNING CASE l.status WHEN 'published' THEN l.module_id END IS DISTINCT FROM
                  (SELECT CASE old.status WHEN 'published' THEN old.module_id END
                     FROM lessons_copy AS old WHERE old.lesson_id = $1)
        """,
        state.lesson_id,
        state.version,
        state.course_id,
        state.module_id,
        title,
        status,
        position,
    )
    return bool(changed)


async def move_on(tx: Tx, *, course_id: UUID) -> int | None:
    """Count anew what counts in a course, as a new revision; None where its outline is not known yet."""
    counted: int | None = await tx.fetchval(
        """
        UPDATE outlines
           SET revision = revision + 1,
               lessons = (SELECT count(*) FROM lessons_copy AS l JOIN modules_copy AS m USING (module_id)
                           WHERE l.course_id = $1 AND l.status = 'published' AND m.status = 'published')
         WHERE course_id = $1 AND version > 0
        RETURNING revision
        """,
        course_id,
    )
    return counted


async def set_known(tx: Tx, *, course_id: UUID, version: int) -> None:
    """Note that all of a course's modules and lessons are here."""
    await tx.execute("UPDATE outlines SET version = $2 WHERE course_id = $1", course_id, version)


async def anybody_begun(tx: Tx, *, course_id: UUID) -> bool:
    """Whether somebody has progress in a course."""
    return bool(await tx.fetchval("SELECT EXISTS (SELECT FROM course_progress WHERE course_id = $1)", course_id))


async def revision(tx: Tx, *, course_id: UUID) -> int:
    """The revision of what counts in a course."""
    return int(await tx.fetchval("SELECT coalesce(max(revision), 0) FROM outlines WHERE course_id = $1", course_id))
