"""What content does beside requests: transcoding, and removing what nobody needs."""

import shutil
from datetime import timedelta
from uuid import UUID

from moocflix.platform.clock import utc_now
from moocflix.platform.service import JobRun
from moocflix.services.content import transcoding
from moocflix.services.content.parts import Parts
from moocflix.services.content.places import overlap, video_of
from moocflix.services.content.settings import ContentSettings
from moocflix.services.content.upload import operations as uploads
from moocflix.services.content.video import operations as videos
from moocflix.services.content.video import sql as video_sql


async def transcode(run: JobRun) -> None:
    """Answer one request to transcode, unless others do that here."""
    if run.context.settings.of(ContentSettings).transcoder == "own":
        video_id, request_id = UUID(run.payload["videoId"]), UUID(run.payload["requestId"])
        await transcoding.transcode(run, video_id=video_id, request_id=request_id)


async def remove_objects(run: JobRun) -> None:
    """Remove what is stored below one prefix, unless renditions that are played are there, or are there again."""
    prefix = run.payload["prefix"]
    played = await video_sql.played_prefix(run.context.database.reader, video_id=video_of(prefix))
    if played is None or not overlap(prefix, played):
        await run.context.storage.delete_prefix(prefix)


async def give_up_uploads(run: JobRun) -> None:
    """Remove what uploads have left whose process died."""
    async with run.context.database.transaction() as tx:
        await uploads.give_up_silent(tx)


async def give_up_transcodings(run: JobRun) -> None:
    """Answer the requests that nobody will answer, and empty the folders that their workers have left."""
    settings = run.context.settings.of(ContentSettings)
    database, before = run.context.database, utc_now() - timedelta(hours=settings.answer_hours)
    for row in await video_sql.abandoned(database.reader, job=videos.TRANSCODE, before=before):
        answer = transcoding.gave_up(row["video_id"], course_id=row["course_id"], request_id=row["request_id"])
        async with database.transaction() as tx:
            await videos.answer_request(tx, answer=answer, now=utc_now(), ours=True)
    for folder in transcoding.stale_folders(run.context.part(Parts).scratch, seconds=settings.transcode_seconds * 2):
        shutil.rmtree(folder, ignore_errors=True)
