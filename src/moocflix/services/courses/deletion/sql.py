"""Deletions under way."""

from uuid import UUID

from moocflix.platform.database.transaction import Reader
from moocflix.services.courses.course.model import Viewer

_PENDING = """
SELECT deletion_id FROM courses WHERE id = $1 AND deletion_id IS NOT NULL AND (instructor_id = $2 OR $3)
"""


async def pending(db: Reader, *, course_id: UUID, viewer: Viewer) -> UUID | None:
    """The intent that deletes the course already, where the viewer may delete it."""
    found: UUID | None = await db.fetchval(_PENDING, course_id, viewer.id, viewer.is_admin)
    return found
