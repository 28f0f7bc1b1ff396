"""A course's structure in one round trip."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from moocflix.contracts.courses import CourseOutline, LessonState, ModuleState
from moocflix.platform.database.transaction import Reader
from moocflix.services.courses.course import sql as courses
from moocflix.services.courses.course.model import Viewer
from moocflix.services.courses.lesson.sql import ASKS, MANAGES, WHOLE
from moocflix.services.courses.structure.model import ShownPart, ShownStep, Structure

# Where the module's columns begin, after the lesson's, and the course's after them.
_MODULE = 12
_COURSE = 17

# One row for each lesson, one for a module without any, one for a course without modules. What a viewer may not see
# is never read: the texts of lessons are the most of it.
_STRUCTURE = f"""
SELECT l.id, l.title, l.type, l.position, l.status, l.version, l.preview, l.duration,
       CASE WHEN s.whole OR l.preview THEN l.url END AS url,
       CASE WHEN s.whole OR l.preview THEN l.content END AS content,
       CASE WHEN s.whole OR l.preview THEN l.video_id END AS video_id,
       CASE WHEN s.whole OR l.preview THEN l.assessment_id END AS assessment_id,
       m.id, m.title, m.position, m.status, m.version,
       s.title AS course_title, s.structure_version, s.manages, s.whole, s.asks
  FROM (SELECT c.id, c.title, f.structure_version, {MANAGES} AS manages, {WHOLE} AS whole, {ASKS} AS asks
          FROM courses c
          JOIN course_figures f ON f.course_id = c.id
          LEFT JOIN enrollments e ON e.course_id = c.id AND e.user_id = $2
         WHERE c.id = $1 AND (c.status = 'published' OR {MANAGES})) AS s
  LEFT JOIN modules m ON m.course_id = s.id AND (m.status = 'published' OR s.manages)
  LEFT JOIN lessons l ON l.module_id = m.id AND (l.status = 'published' OR s.manages)
 ORDER BY m.position, l.position
"""

# In one statement, so that each lesson's module is there. What only the enrolled may see stays here.
_OUTLINE = """
SELECT m.id, m.title, m.position, m.status, m.version,
       l.id AS lesson_id, l.title AS lesson_title, l.type, l.position AS lesson_position, l.status AS lesson_status,
       l.preview, l.video_id, l.assessment_id, l.duration, l.version AS lesson_version
  FROM modules m
  LEFT JOIN lessons l ON l.module_id = m.id
 WHERE m.course_id = $1
 ORDER BY m.position, l.position
"""


async def structure(db: Reader, *, course_id: UUID, viewer: Viewer, enrolled: bool = False) -> Structure | None:
    """The structure as far as the viewer may see it, None where the course is hidden from them.

    `enrolled` says that enrollments knows the viewer, where the copy here does not.
    """
    rows = await db.fetch(_STRUCTURE, course_id, viewer.id, viewer.is_admin, enrolled)
    if not rows:
        return None
    first = rows[0]
    return Structure(
        course_id=course_id,
        title=first["course_title"],
        version=first["structure_version"],
        manages=first["manages"],
        whole=first["whole"],
        asks=first["asks"],
        modules=_parts(rows),
    )


async def outline(db: Reader, *, course_id: UUID) -> CourseOutline | None:
    """A course's state with those of its modules and lessons, whoever asks: for other services."""
    course = await courses.course(db, course_id=course_id)
    if course is None:
        return None
    rows = await db.fetch(_OUTLINE, course_id)
    modules = {row["id"]: _module_state(row, course_id) for row in rows}
    return CourseOutline(
        course=course.state(),
        modules=list(modules.values()),
        lessons=[_lesson_state(row, course_id) for row in rows if row["lesson_id"] is not None],
    )


def _module_state(row: Any, course_id: UUID) -> ModuleState:
    return ModuleState(
        version=row["version"],
        module_id=row["id"],
        course_id=course_id,
        title=row["title"],
        order=row["position"],
        status=row["status"],
    )


def _lesson_state(row: Any, course_id: UUID) -> LessonState:
    return LessonState(
        version=row["lesson_version"],
        lesson_id=row["lesson_id"],
        module_id=row["id"],
        course_id=course_id,
        title=row["lesson_title"],
        type=row["type"],
        order=row["lesson_position"],
        status=row["lesson_status"],
        preview=row["preview"],
        video_id=row["video_id"],
        assessment_id=row["assessment_id"],
        duration=row["duration"],
    )


def _parts(rows: Sequence[Any]) -> list[ShownPart]:
    parts: list[ShownPart] = []
    for row in rows:
        module_id = row[_MODULE]
        if module_id is None:
            break
        if not parts or parts[-1].id != module_id:
            parts.append(ShownPart(*row[_MODULE:_COURSE]))
        if row[0] is not None:
            parts[-1].lessons.append(ShownStep(*row[:_MODULE]))
    return parts
