"""Lessons in the database. Whoever changes one holds the course's row."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from moocflix.contracts.courses import LessonState
from moocflix.platform.database.transaction import Reader, Tx
from moocflix.services.courses.course.model import Viewer
from moocflix.services.courses.lesson.model import FoundLesson, Lesson, ShownLesson

_COLUMNS = """l.id, l.module_id, l.course_id, l.title, l.type, l.url, l.content, l.video_id, l.assessment_id,
       l.duration, l.preview, l.position, l.status, l.version, l.created_at, l.updated_at"""

# What others are told: without the content, which is most of what a lesson takes.
_STATE = """l.version, l.id AS lesson_id, l.module_id, l.course_id, l.title, l.type, l.position AS "order", l.status,
       l.preview, l.video_id, l.assessment_id, l.duration"""

# Whoever owns the course or is enrolled sees every lesson whole, others the previews. For courses as c, lessons as l,
# the viewer's enrolment as e; $2 is the viewer, $3 says that they are an admin, $4 that enrollments knows them.
MANAGES = "(coalesce(c.instructor_id = $2, false) OR $3)"
WHOLE = f"({MANAGES} OR $4 OR coalesce(e.status <> 'dropped', false))"
ASKS = f"($2::uuid IS NOT NULL AND e.id IS NULL AND NOT {MANAGES} AND NOT $4)"

_VISIBLE = f"""
SELECT l.id, l.module_id, l.course_id, l.title, l.type, l.duration, l.preview, l.position, l.status, l.version,
       l.created_at, l.updated_at, s.whole, {ASKS} AND NOT s.whole AS asks,
       CASE WHEN s.whole THEN l.url END AS url, CASE WHEN s.whole THEN l.content END AS content,
       CASE WHEN s.whole THEN l.video_id END AS video_id,
       CASE WHEN s.whole THEN l.assessment_id END AS assessment_id
  FROM lessons l
  JOIN modules m ON m.id = l.module_id
  JOIN courses c ON c.id = l.course_id
  LEFT JOIN enrollments e ON e.course_id = c.id AND e.user_id = $2
 CROSS JOIN LATERAL (SELECT {WHOLE} OR l.preview AS whole) AS s
 WHERE l.id = $5 AND l.course_id = $1 AND ($6::uuid IS NULL OR l.module_id = $6)
   AND (c.status = 'published' AND m.status = 'published' AND l.status = 'published' OR {MANAGES})
"""

_ONE = f"SELECT {_STATE} FROM lessons l WHERE l.id = $1"

_FIND = f"""
SELECT {_COLUMNS}, m.status AS module_status
  FROM lessons l
  JOIN modules m ON m.id = l.module_id
 WHERE l.course_id = $1 AND l.id = $2
"""

_OF_COURSE = f"""
SELECT {_STATE}
  FROM lessons l
  JOIN modules m ON m.id = l.module_id
 WHERE l.course_id = $1 AND ($2::uuid IS NULL OR l.module_id = $2)
 ORDER BY m.position, l.position
"""

_PAGE = f"SELECT {_STATE} FROM lessons l WHERE $1::uuid IS NULL OR l.id > $1 ORDER BY l.id LIMIT $2"

_COUNT = """
SELECT count(*) AS in_course, count(*) FILTER (WHERE module_id = $2) AS in_module FROM lessons WHERE course_id = $1
"""

# What a text takes is known without reading it.
_CONTENT_BYTES = "SELECT coalesce(sum(octet_length(content)), 0) FROM lessons WHERE course_id = $1"

_INSERT = """
INSERT INTO lessons (id, module_id, course_id, position, version, created_at, updated_at,
                     title, type, url, content, video_id, assessment_id, duration, preview, status)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""

_UPDATE = """
UPDATE lessons
   SET position = $2, version = $3, updated_at = $4, title = $5, type = $6, url = $7, content = $8, video_id = $9,
       assessment_id = $10, duration = $11, preview = $12, status = $13
 WHERE id = $1
"""

_SHIFT = f"""
UPDATE lessons l
   SET position = l.position + $4, version = l.version + 1, updated_at = $5
 WHERE l.module_id = $1 AND l.position BETWEEN $2 AND $3
RETURNING {_STATE}
"""

_ARRANGE = f"""
UPDATE lessons l
   SET module_id = wanted.module_id, position = wanted.position, version = l.version + 1, updated_at = $5
  FROM unnest($2::uuid[], $3::uuid[], $4::integer[]) AS wanted (id, module_id, position)
 WHERE l.course_id = $1 AND l.id = wanted.id
   AND (l.module_id, l.position) IS DISTINCT FROM (wanted.module_id, wanted.position)
RETURNING {_STATE}
"""

_TIME = f"""
UPDATE lessons l
   SET duration = $2, version = l.version + 1, updated_at = $3
 WHERE l.video_id = $1 AND l.course_id = $4 AND l.type = 'VIDEO' AND l.duration IS NULL
RETURNING {_STATE}
"""

# A duration that came from the video goes with it; one that the instructor has set stays.
_LOSE_VIDEO = f"""
UPDATE lessons l
   SET video_id = NULL, duration = nullif(l.duration, v.duration), version = l.version + 1, updated_at = $2
  FROM videos v
 WHERE v.id = $1 AND l.video_id = v.id AND l.course_id = v.course_id
RETURNING {_STATE}
"""

_DELETE = "DELETE FROM lessons WHERE id = ANY($1)"


async def visible_one(
    db: Reader, *, course_id: UUID, module_id: UUID | None, lesson_id: UUID, viewer: Viewer, enrolled: bool = False
) -> ShownLesson | None:
    """A lesson as far as the viewer may see it; `enrolled` says that enrollments knows them, if the copy does not."""
    row = await db.fetchrow(_VISIBLE, course_id, viewer.id, viewer.is_admin, enrolled, lesson_id, module_id)
    return None if row is None else ShownLesson(**row)


async def lesson(db: Reader, *, lesson_id: UUID) -> LessonState | None:
    """A lesson, whoever asks: for other services."""
    row = await db.fetchrow(_ONE, lesson_id)
    return None if row is None else LessonState(**row)


async def find(tx: Tx, *, course_id: UUID, lesson_id: UUID) -> FoundLesson | None:
    """A lesson of this course, for a change."""
    row = await tx.fetchrow(_FIND, course_id, lesson_id)
    return None if row is None else FoundLesson(**row)


async def of_course(db: Reader, *, course_id: UUID, module_id: UUID | None = None) -> Sequence[LessonState]:
    """The lessons of a course, or of one of its modules, in order, drafts too."""
    return [LessonState(**row) for row in await db.fetch(_OF_COURSE, course_id, module_id)]


async def page(db: Reader, *, after: UUID | None, limit: int) -> list[LessonState]:
    """Lessons of all courses by id: for other services."""
    return [LessonState(**row) for row in await db.fetch(_PAGE, after, limit)]


async def count(tx: Tx, *, course_id: UUID, module_id: UUID) -> tuple[int, int]:
    """How many lessons the course has, and how many of them the module; drafts too."""
    row = await tx.fetchrow(_COUNT, course_id, module_id)
    return (0, 0) if row is None else (row["in_course"], row["in_module"])


async def content_bytes(tx: Tx, *, course_id: UUID) -> int:
    """How many bytes the contents of the course's lessons have together, drafts too."""
    size: int = await tx.fetchval(_CONTENT_BYTES, course_id)
    return size


async def insert(tx: Tx, *, lesson: Lesson) -> None:
    """Write a new lesson."""
    await tx.execute(
        _INSERT,
        lesson.id,
        lesson.module_id,
        lesson.course_id,
        lesson.position,
        lesson.version,
        lesson.created_at,
        lesson.updated_at,
        *_values(lesson),
    )


async def update(tx: Tx, *, lesson: Lesson) -> None:
    """Write a changed lesson."""
    await tx.execute(_UPDATE, lesson.id, lesson.position, lesson.version, lesson.updated_at, *_values(lesson))


async def shift(tx: Tx, *, module_id: UUID, first: int, last: int, by: int, now: datetime) -> Sequence[LessonState]:
    """Move a module's lessons from one position to another up or down; those moved."""
    return [LessonState(**row) for row in await tx.fetch(_SHIFT, module_id, first, last, by, now)]


async def arrange(
    tx: Tx, *, course_id: UUID, places: dict[UUID, tuple[UUID, int]], now: datetime
) -> Sequence[LessonState]:
    """Put each lesson into its module, at its position; those that were elsewhere."""
    modules = [module_id for module_id, _ in places.values()]
    positions = [position for _, position in places.values()]
    return [LessonState(**row) for row in await tx.fetch(_ARRANGE, course_id, list(places), modules, positions, now)]


async def take_duration(
    tx: Tx, *, video_id: UUID, course_id: UUID, seconds: int, now: datetime
) -> Sequence[LessonState]:
    """Give the course's VIDEO lessons that show this video its duration, where they have none; those that took it."""
    return [LessonState(**row) for row in await tx.fetch(_TIME, video_id, seconds, now, course_id)]


async def lose_video(tx: Tx, *, video_id: UUID, now: datetime) -> Sequence[LessonState]:
    """Take a deleted video out of the lessons that show it; those that did."""
    return [LessonState(**row) for row in await tx.fetch(_LOSE_VIDEO, video_id, now)]


async def delete(tx: Tx, *, lesson_ids: Sequence[UUID]) -> None:
    """Delete lessons."""
    await tx.execute(_DELETE, lesson_ids)


def _values(lesson: Lesson) -> tuple[object, ...]:
    return (
        lesson.title,
        lesson.type,
        lesson.url,
        lesson.content,
        lesson.video_id,
        lesson.assessment_id,
        lesson.duration,
        lesson.preview,
        lesson.status,
    )
