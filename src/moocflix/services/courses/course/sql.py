"""Courses in the database: reads that know who may see what, the row's lock, and what is counted."""

from collections.abc import Sequence
from uuid import UUID

from moocflix.platform.database.transaction import Reader, Tx
from moocflix.services.courses.course.model import Course, CourseDetails, Viewer, tag_key

_COLUMNS = """c.id, c.instructor_id, c.title, c.description, c.category, c.difficulty, c.price, c.currency,
       c.cover_image_url, c.tags, c.language, c.status, c.version, c.created_at, c.updated_at, c.published_at,
       c.deletion_id"""

_DETAILS = f"""
SELECT {_COLUMNS}, i.name AS instructor, i.avatar_url AS instructor_avatar_url,
       f.rating, f.rating_count, f.duration, f.module_count, f.lesson_count, f.student_count
  FROM courses c
  JOIN instructors i ON i.id = c.instructor_id
  JOIN course_figures f ON f.course_id = c.id
 WHERE c.id = $1 AND (c.status = 'published' OR c.instructor_id = $2 OR $3)
"""

_LOCK = f"""
SELECT {_COLUMNS}
  FROM courses c
 WHERE c.id = $1 AND (c.status = 'published' OR c.instructor_id = $2 OR $3)
   FOR NO KEY UPDATE
"""

_ONE = f"SELECT {_COLUMNS} FROM courses c WHERE c.id = $1"

_PAGE = f"SELECT {_COLUMNS} FROM courses c WHERE $1::uuid IS NULL OR c.id > $1 ORDER BY c.id LIMIT $2"

_INSERT = """
WITH course AS (
    INSERT INTO courses (id, instructor_id, title, description, category, difficulty, price, currency,
                         cover_image_url, tags, tag_keys, language, status, version, created_at, updated_at,
                         published_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
    RETURNING id
)
INSERT INTO course_figures (course_id) SELECT id FROM course
"""

_UPDATE = """
UPDATE courses
   SET title = $2, description = $3, category = $4, difficulty = $5, price = $6, currency = $7,
       cover_image_url = $8, tags = $9, tag_keys = $10, language = $11, status = $12, version = $13,
       updated_at = $14, published_at = $15
 WHERE id = $1
"""

_MARK_DELETION = "UPDATE courses SET deletion_id = $2 WHERE id = $1"

_DELETE = "DELETE FROM courses WHERE id = $1"

_RECOUNT = """
UPDATE course_figures
   SET module_count = published.modules, lesson_count = published.lessons, duration = published.seconds,
       structure_version = structure_version + 1
  FROM (SELECT count(DISTINCT m.id) AS modules, count(l.id) AS lessons, coalesce(sum(l.duration), 0) AS seconds
          FROM modules m
          LEFT JOIN lessons l ON l.module_id = m.id AND l.status = 'published'
         WHERE m.course_id = $1 AND m.status = 'published') AS published
 WHERE course_id = $1
RETURNING structure_version
"""

_STRUCTURE_VERSION = "SELECT structure_version FROM course_figures WHERE course_id = $1"


async def details(db: Reader, *, course_id: UUID, viewer: Viewer) -> CourseDetails | None:
    """A course with all that is shown of it, where the viewer may see it."""
    row = await db.fetchrow(_DETAILS, course_id, viewer.id, viewer.is_admin)
    return None if row is None else CourseDetails(**row)


async def lock(tx: Tx, *, course_id: UUID, viewer: Viewer) -> Course | None:
    """Take the row for a change of the course or of its structure, where the viewer may see it.

    Enrolments, which only refer to the row, do not wait for this lock.
    """
    row = await tx.fetchrow(_LOCK, course_id, viewer.id, viewer.is_admin)
    return None if row is None else Course(**row)


async def course(db: Reader, *, course_id: UUID) -> Course | None:
    """A course, whoever asks: for other services."""
    row = await db.fetchrow(_ONE, course_id)
    return None if row is None else Course(**row)


async def page(db: Reader, *, after: UUID | None, limit: int) -> Sequence[Course]:
    """Courses by id, drafts too: for other services."""
    return [Course(**row) for row in await db.fetch(_PAGE, after, limit)]


async def insert(tx: Tx, *, course: Course) -> None:
    """Write a new course, with nothing counted yet."""
    await tx.execute(
        _INSERT,
        course.id,
        course.instructor_id,
        *_values(course),
        course.version,
        course.created_at,
        course.updated_at,
        course.published_at,
    )


async def update(tx: Tx, *, course: Course) -> None:
    """Write a changed course, whose row is locked."""
    await tx.execute(_UPDATE, course.id, *_values(course), course.version, course.updated_at, course.published_at)


async def mark_deletion(tx: Tx, *, course_id: UUID, deletion_id: UUID | None) -> None:
    """Close the course to changes and take it out of the catalogue; without an intent, open it again."""
    await tx.execute(_MARK_DELETION, course_id, deletion_id)


async def delete(tx: Tx, *, course_id: UUID) -> None:
    """Delete a course that has no modules any more, with its figures and copies."""
    await tx.execute(_DELETE, course_id)


async def recount(tx: Tx, *, course_id: UUID) -> int:
    """Count what is published anew, after a change of the structure; the structure's new version."""
    version: int = await tx.fetchval(_RECOUNT, course_id)
    return version


async def structure_version(tx: Tx, *, course_id: UUID) -> int:
    """The version of the structure, after the course's row is locked."""
    version: int = await tx.fetchval(_STRUCTURE_VERSION, course_id)
    return version


def _values(course: Course) -> tuple[object, ...]:
    return (
        course.title,
        course.description,
        course.category,
        course.difficulty,
        course.price,
        course.currency,
        course.cover_image_url,
        course.tags,
        [tag_key(tag) for tag in course.tags],
        course.language,
        course.status,
    )
