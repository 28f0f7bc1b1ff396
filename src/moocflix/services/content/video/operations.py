"""What changes a video: a request to transcode it, the answer, and its end."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from moocflix.contracts.content import (
    TRANSCODING_COMPLETED,
    TRANSCODING_REQUEST,
    VIDEO_DELETED,
    TranscodingCompleted,
    TranscodingRequested,
    VideoDeleted,
)
from moocflix.contracts.courses import CourseDeleted
from moocflix.platform import jobs
from moocflix.platform.database.transaction import Tx
from moocflix.platform.storage.port import KeyRefused, checked_key, checked_prefix
from moocflix.platform.texts import is_visible
from moocflix.services.content.course import sql as course_sql
from moocflix.services.content.places import REMOVE_OBJECTS, folder_of, prefix_of, source_key
from moocflix.services.content.upload import sql as upload_sql
from moocflix.services.content.upload.model import Upload, UploadLost
from moocflix.services.content.video import sql
from moocflix.services.content.video.model import TranscodingRuns, VideoNotFound

TRANSCODE = "transcode"
# No playback token counts for longer.
_KEEP_OLD = timedelta(days=1)
_ELSEWHERE = "The transcoder put its output elsewhere than in a folder within the video's."


async def add_video(tx: Tx, *, upload: Upload, title: str, request_id: UUID | None, now: datetime) -> None:
    """Make a video of a whole upload, and ask for its renditions where there is a `request_id`.

    Raises UploadLost where the upload was given up meanwhile, CourseNotFound where its course is gone.
    """
    await course_sql.hold_course(tx, course_id=upload.course_id)
    if not await upload_sql.end_upload(tx, upload_id=upload.id):
        raise UploadLost
    await sql.add_video(tx, upload=upload, title=title if is_visible(title) else f"Video of {now:%Y-%m-%d}", now=now)
    if request_id is not None:
        await request_transcoding(
            tx,
            video_id=upload.id,
            course_id=upload.course_id,
            request_id=request_id,
            requested_by=upload.user_id,
            now=now,
        )


async def request_transcoding(
    tx: Tx, *, video_id: UUID, course_id: UUID, request_id: UUID, requested_by: UUID, now: datetime
) -> None:
    """Ask for a video's renditions. Raises TranscodingRuns while an earlier request waits for its answer."""
    if not await sql.lock_video(tx, video_id=video_id):
        raise VideoNotFound(video_id)
    version = await sql.add_transcoding(
        tx, request_id=request_id, video_id=video_id, requested_by=requested_by, now=now
    )
    if version is None:
        raise TranscodingRuns(video_id)
    tx.publish(
        TRANSCODING_REQUEST,
        TranscodingRequested(
            version=version,
            video_id=video_id,
            request_id=request_id,
            course_id=course_id,
            source_key=source_key(video_id),
            requested_by=requested_by,
        ),
    )


async def enqueue_transcoding(tx: Tx, *, request: TranscodingRequested) -> None:
    """Have our own transcoder take a request up, unless it has been answered since."""
    if await sql.is_running(tx, request_id=request.request_id):
        payload = {"videoId": str(request.video_id), "requestId": str(request.request_id)}
        await jobs.enqueue(tx, TRANSCODE, payload, unique_key=str(request.request_id))


async def answer_request(tx: Tx, *, answer: TranscodingCompleted, now: datetime, ours: bool) -> bool:
    """Apply the answer to a request, and publish it where it is `ours`; False where the request has one or is gone.

    Renditions that are no longer offered stay for those who are watching them.
    """
    if not await sql.lock_video(tx, video_id=answer.video_id):
        return False
    if not await sql.finish_transcoding(tx, answer=answer, now=now):
        return False
    row = await sql.apply_answer(tx, answer=answer, now=now)
    if row is None:
        return False
    if answer.outcome == "ready" and row["prefix_before"] is not None:
        await _remove(tx, row["prefix_before"], run_at=now + _KEEP_OLD)
    if answer.outcome == "failed":
        await _remove(tx, prefix_of(answer.video_id, answer.request_id))
    if ours:
        # The version is known only now, under the row's lock.
        tx.publish(TRANSCODING_COMPLETED, msgspec.structs.replace(answer, version=row["version"]))
    return True


def acceptable(answer: TranscodingCompleted) -> TranscodingCompleted:
    """The answer; a failure where it names no folder within the video's, which would be served, and removed later."""
    if answer.outcome == "failed" or (answer.renditions and _is_in_its_place(answer)):
        return answer
    return TranscodingCompleted(
        version=answer.version,
        video_id=answer.video_id,
        request_id=answer.request_id,
        course_id=answer.course_id,
        outcome="failed",
        error=_ELSEWHERE,
    )


def _is_in_its_place(answer: TranscodingCompleted) -> bool:
    folder = folder_of(answer.video_id)
    try:
        # Without its slash at the end, so that the video's own folder, where the source is, is none within it.
        prefix = checked_prefix(answer.prefix or "")
        poster = checked_key(answer.poster_key or prefix)
    except KeyRefused:
        return False
    return prefix.startswith(folder) and poster.startswith(folder)


async def remove_video(tx: Tx, *, video_id: UUID) -> None:
    """Delete a video at once; what is stored of it goes soon after. Raises VideoNotFound."""
    row = await sql.remove_video(tx, video_id=video_id)
    if row is None:
        raise VideoNotFound(video_id)
    if row["request_id"] is not None:
        await jobs.cancel(tx, TRANSCODE, unique_key=str(row["request_id"]))
    await _remove(tx, folder_of(video_id))
    tx.publish(VIDEO_DELETED, VideoDeleted(version=row["version"] + 1, video_id=video_id, course_id=row["course_id"]))


async def apply_course_deletion(tx: Tx, *, course: CourseDeleted) -> None:
    """Keep the tombstone of a course, and delete its videos."""
    await course_sql.mark_course_deleted(tx, course)
    for video_id in await sql.videos_of_course(tx, course_id=course.course_id):
        await remove_video(tx, video_id=video_id)


async def _remove(tx: Tx, prefix: str, *, run_at: datetime | None = None) -> None:
    await jobs.enqueue(tx, REMOVE_OBJECTS, {"prefix": prefix}, run_at=run_at)
