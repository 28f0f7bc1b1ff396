"""The copy of videos."""

from uuid import UUID

from moocflix.platform.database.transaction import Reader, Tx
from moocflix.platform.errors import CopyMissing
from moocflix.services.courses.video.model import Video

_ONE = "SELECT id, course_id, duration, deleted, version FROM videos WHERE id = $1 AND version > 0"

# Of a course that is gone there is nothing to keep.
_KEEP = """
INSERT INTO videos AS v (id, course_id, duration, deleted, version)
SELECT $1, id, $3, $4, $5 FROM courses WHERE id = $2
ON CONFLICT (id) DO UPDATE SET course_id = EXCLUDED.course_id, deleted = EXCLUDED.deleted,
                               duration = coalesce(EXCLUDED.duration, v.duration), version = EXCLUDED.version
 WHERE v.version < EXCLUDED.version
"""


async def video(db: Reader, *, video_id: UUID) -> Video:
    """The copy of a video. Raises CopyMissing where its state is not here: of an upload no event tells."""
    row = await db.fetchrow(_ONE, video_id)
    if row is None:
        raise CopyMissing("video", video_id)
    return Video(**row)


async def upsert(tx: Tx, *, video: Video) -> bool:
    """Keep a video's state; False where a newer one is known, or the course is gone."""
    touched = await tx.execute(_KEEP, video.id, video.course_id, video.duration, video.deleted, video.version)
    return touched > 0
