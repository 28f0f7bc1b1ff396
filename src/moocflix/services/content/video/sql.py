"""The statements of videos and transcodings."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from moocflix.contracts.content import Rendition, TranscodingCompleted, VideoState
from moocflix.platform.database.transaction import Reader, Record, Tx
from moocflix.platform.errors import CopyMissing
from moocflix.services.content.media.findings import Probe
from moocflix.services.content.upload.model import Upload
from moocflix.services.content.video.model import Renditions, Transcoding, Video, VideoAccess

_VIDEO = """
SELECT v.id, v.version, v.course_id, v.uploaded_by, v.title, v.status, v.source_key, v.source_bytes, v.probe, v.error,
       v.created_at, c.instructor_id, c.version AS course_version, c.published AND NOT c.deleted AS open, v.request_id,
       latest.progress, latest.finished_at, v.ready_id, made.prefix, made.renditions, made.poster_key
  FROM videos v
  JOIN courses_copy c ON c.course_id = v.course_id
  LEFT JOIN transcodings latest ON latest.request_id = v.request_id
  LEFT JOIN transcodings made ON made.request_id = v.ready_id
 WHERE v.id = $1
"""

_ACCESS = f"""
SELECT video.*,
       EXISTS (SELECT FROM enrollments_copy e
                WHERE e.user_id = $2 AND e.course_id = video.course_id AND e.active AND e.version > 0) AS enrolled,
       EXISTS (SELECT FROM lessons_copy l
                 JOIN modules_copy m ON m.module_id = l.module_id
                WHERE l.video_id = video.id AND l.course_id = video.course_id AND l.preview AND l.published
                  AND NOT l.deleted AND m.published AND NOT m.deleted AND video.open) AS preview
  FROM ({_VIDEO}) video
"""

_STATE = """
SELECT id AS video_id, version, course_id, status, (probe ->> 'duration')::double precision AS duration FROM videos
"""

_ONE_STATE = f"{_STATE} WHERE id = $1"

_STATES = f"{_STATE} WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2"


async def video(db: Reader, *, video_id: UUID) -> Video | None:
    """A video; None where there is none. Raises CopyMissing where its course is not known here."""
    row = await db.fetchrow(_VIDEO, video_id)
    return None if row is None else _video(row)


async def state(db: Reader, *, video_id: UUID) -> VideoState | None:
    """A video, whoever asks: for other services."""
    row = await db.fetchrow(_ONE_STATE, video_id)
    return None if row is None else VideoState(**row)


async def states(db: Reader, *, after: UUID | None, limit: int) -> list[VideoState]:
    """Videos of all courses by id: for other services."""
    return [VideoState(**row) for row in await db.fetch(_STATES, after, limit)]


async def access(db: Reader, *, video_id: UUID, user_id: UUID | None) -> VideoAccess | None:
    """A video as this person meets it; None where there is none. Raises CopyMissing as `video`."""
    row = await db.fetchrow(_ACCESS, video_id, user_id)
    if row is None:
        return None
    return VideoAccess(video=_video(row), open=row["open"], enrolled=row["enrolled"], preview=row["preview"])


async def add_video(tx: Tx, *, upload: Upload, title: str, now: datetime) -> None:
    """A new video, out of a whole upload."""
    await tx.execute(
        """
        INSERT INTO videos (id, course_id, uploaded_by, title, status, source_key, source_bytes, probe,
                            created_at, updated_at)
        VALUES ($1, $2, $3, $4, 'uploaded', $5, $6, $7, $8, $8)
        """,
        upload.id,
        upload.course_id,
        upload.user_id,
        title,
        upload.source_key,
        upload.source_bytes,
        msgspec.to_builtins(upload.probe),
        now,
    )


async def lock_video(tx: Tx, *, video_id: UUID) -> bool:
    """Take the video's row lock; False where there is no such video any more."""
    return bool(await tx.fetchval("SELECT true FROM videos WHERE id = $1 FOR UPDATE", video_id))


async def remove_video(tx: Tx, *, video_id: UUID) -> Record | None:
    """Delete a video with its transcodings: its course, version and the request under way; None where it is gone."""
    return await tx.fetchrow("DELETE FROM videos WHERE id = $1 RETURNING course_id, version, request_id", video_id)


async def videos_of_course(db: Reader, *, course_id: UUID) -> list[UUID]:
    """The ids of a course's videos, in the order of locking."""
    return [row["id"] for row in await db.fetch("SELECT id FROM videos WHERE course_id = $1 ORDER BY id", course_id)]


async def add_transcoding(tx: Tx, *, request_id: UUID, video_id: UUID, requested_by: UUID, now: datetime) -> int | None:
    """A request to transcode: the video's new version; None while another runs."""
    return await tx.fetchval(  # type: ignore[no-any-return]
        """
        WITH asked AS (
            INSERT INTO transcodings (request_id, video_id, requested_by, requested_at) VALUES ($1, $2, $3, $4)
            ON CONFLICT (video_id) WHERE finished_at IS NULL DO NOTHING
            RETURNING request_id, video_id)
        UPDATE videos v
           SET version = v.version + 1, status = 'queued', request_id = asked.request_id, error = NULL, updated_at = $4
          FROM asked WHERE v.id = asked.video_id
        RETURNING v.version
        """,
        request_id,
        video_id,
        requested_by,
        now,
    )


async def is_running(db: Reader, *, request_id: UUID) -> bool:
    """Whether this request waits for its answer."""
    return bool(
        await db.fetchval("SELECT true FROM transcodings WHERE request_id = $1 AND finished_at IS NULL", request_id)
    )


async def take_transcoding(tx: Tx, *, request_id: UUID, now: datetime) -> bool:
    """Say that our own transcoder is at it, the video's row being locked; False where the request is answered."""
    taken = await tx.fetchval(
        """
        WITH taken AS (
            UPDATE transcodings SET taken_at = coalesce(taken_at, $2) WHERE request_id = $1 AND finished_at IS NULL
            RETURNING request_id),
        begun AS (
            UPDATE videos v SET version = v.version + 1, status = 'transcoding', updated_at = $2
              FROM taken WHERE v.request_id = taken.request_id AND v.status = 'queued')
        SELECT true FROM taken
        """,
        request_id,
        now,
    )
    return bool(taken)


async def note_progress(db: Reader, *, request_id: UUID, fraction: float) -> bool:
    """How far a transcoding has come; False where nobody waits for it any more."""
    return bool(
        await db.fetchval(
            """
            UPDATE transcodings SET progress = greatest(progress, $2) WHERE request_id = $1 AND finished_at IS NULL
            RETURNING true
            """,
            request_id,
            fraction,
        )
    )


async def finish_transcoding(tx: Tx, *, answer: TranscodingCompleted, now: datetime) -> bool:
    """Record the answer to a request; False where it has one already, or is not known."""
    finished = await tx.execute(
        """
        UPDATE transcodings
           SET finished_at = $2, outcome = $3, error = $4, prefix = $5, renditions = $6, poster_key = $7,
               progress = CASE WHEN $3 = 'ready' THEN 1 ELSE progress END
         WHERE request_id = $1 AND finished_at IS NULL
        """,
        answer.request_id,
        now,
        answer.outcome,
        answer.error,
        answer.prefix,
        msgspec.to_builtins(answer.renditions) if answer.outcome == "ready" else None,
        answer.poster_key,
    )
    return finished == 1


async def apply_answer(tx: Tx, *, answer: TranscodingCompleted, now: datetime) -> Record | None:
    """Move the video on after its request was answered: its new version, and the renditions that were played before.

    One that failed goes on playing what it has.
    """
    return await tx.fetchrow(
        """
        UPDATE videos v
           SET version = v.version + 1, updated_at = $4, error = $5,
               ready_id = CASE WHEN $3 = 'ready' THEN v.request_id ELSE v.ready_id END,
               status = CASE WHEN $3 = 'ready' OR v.ready_id IS NOT NULL THEN 'ready' ELSE 'failed' END
          FROM videos before LEFT JOIN transcodings made ON made.request_id = before.ready_id
         WHERE v.id = $1 AND v.request_id = $2 AND before.id = v.id
        RETURNING v.version, made.prefix AS prefix_before
        """,
        answer.video_id,
        answer.request_id,
        answer.outcome,
        now,
        answer.error,
    )


async def played_prefix(db: Reader, *, video_id: UUID) -> str | None:
    """Where the renditions are stored that a video is played in; None where there are none, or no video."""
    found: str | None = await db.fetchval(
        "SELECT t.prefix FROM videos v JOIN transcodings t ON t.request_id = v.ready_id WHERE v.id = $1", video_id
    )
    return found


async def abandoned(db: Reader, *, job: str, before: datetime) -> list[Record]:
    """Requests that nobody will answer: our job for them has died, or they were asked before that moment."""
    return list(
        await db.fetch(
            """
            SELECT t.request_id, t.video_id, v.course_id
              FROM transcodings t JOIN videos v ON v.id = t.video_id
             WHERE t.finished_at IS NULL
               AND (t.requested_at < $2
                    OR (t.taken_at IS NOT NULL
                        AND NOT EXISTS (SELECT FROM jobs j WHERE j.name = $1 AND j.unique_key = t.request_id::text
                                                             AND j.status IN ('waiting', 'running'))))
             ORDER BY t.request_id
            """,
            job,
            before,
        )
    )


def _video(row: Record) -> Video:
    if row["course_version"] == 0:
        raise CopyMissing("course", row["course_id"])
    return Video(
        id=row["id"],
        version=row["version"],
        course_id=row["course_id"],
        instructor_id=row["instructor_id"],
        uploaded_by=row["uploaded_by"],
        title=row["title"],
        status=row["status"],
        source_key=row["source_key"],
        source_bytes=row["source_bytes"],
        probe=_probe(row["probe"]),
        error=row["error"],
        created_at=row["created_at"],
        transcoding=_transcoding(row),
        renditions=_renditions(row),
    )


def _probe(kept: Any) -> Probe:
    return msgspec.convert(kept, Probe)


def _transcoding(row: Record) -> Transcoding | None:
    if row["request_id"] is None:
        return None
    return Transcoding(request_id=row["request_id"], progress=row["progress"], finished=row["finished_at"] is not None)


def _renditions(row: Record) -> Renditions | None:
    if row["ready_id"] is None:
        return None
    return Renditions(
        request_id=row["ready_id"],
        prefix=row["prefix"],
        rungs=msgspec.convert(row["renditions"], list[Rendition]),
        poster_key=row["poster_key"],
    )
