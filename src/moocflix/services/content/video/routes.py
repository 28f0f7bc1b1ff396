"""A video: its upload, what is known of it, its transcoding and its deletion."""

from uuid import UUID

from moocflix.contracts.content import VideoPage, VideoState
from moocflix.platform.auth.access import CALLER, INSTRUCTOR, services
from moocflix.platform.http.body import announced_bytes
from moocflix.platform.http.form import FileTooLarge, UploadForm
from moocflix.platform.http.pagination import Cursor, Limit, next_cursor, read_id
from moocflix.platform.http.reply import Reply, reply
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import delete, get, post
from moocflix.platform.ids import new_id
from moocflix.services.content import admission, intake
from moocflix.services.content.parts import Parts
from moocflix.services.content.settings import ContentSettings
from moocflix.services.content.tokens import Playback
from moocflix.services.content.video import operations, sql
from moocflix.services.content.video.model import Video, VideoNotFound
from moocflix.services.content.video.schemas import (
    UPLOAD_FORM,
    TranscodingAsked,
    UploadFields,
    UploadOut,
    VideoChanged,
    VideoOut,
)

_FORM_BYTES = 64 * 1024


@post(
    "/api/v1/content/upload",
    who=INSTRUCTOR,
    status=201,
    writes="stream",
    summary="Upload a video",
    refusals=(403, 404, 413, 415, 503),
    takes={"multipart/form-data": UPLOAD_FORM},
)
async def upload_video(request: Request) -> Reply[UploadOut]:
    """A `multipart/form-data` body: `courseId`, optionally `title` and `transcode`, then `file`.

    What the bytes are decides, not the name. With `transcode=true` the transcoding is asked for at once.
    """
    form = _form(request)
    fields = UploadFields.of(await form.fields_before("file"))
    await admission.taught_course(request.context, course_id=fields.course_id, caller=request.caller)
    async with intake.received(
        request.context,
        upload_id=new_id(),
        course_id=fields.course_id,
        user_id=request.caller.id,
        file=form.file(),
        announced=announced_bytes(request.call) or 0,
    ) as upload:
        await form.finish()
        late = UploadFields.of(form.fields)
        request_id = new_id() if late.transcode else None
        async with request.context.database.transaction() as tx:
            await operations.add_video(tx, upload=upload, title=late.title, request_id=request_id, now=request.now)
            answer = reply(UploadOut.of(upload.id, transcode=late.transcode), status=201)
            await request.keep_answer(tx, answer)
    return answer


@get("/api/v1/content/{video_id:uuid}", who=CALLER, summary="A video's state", refusals=(404,))
async def read_video(request: Request, video_id: UUID) -> Reply[VideoOut]:
    """How far it is, how long, how large, what it can be played in; for the enrolled and the owner."""
    caller = request.caller
    access = await sql.access(request.db, video_id=video_id, user_id=caller.id)
    if access is None:
        raise VideoNotFound(video_id)
    video = access.for_learner(caller)
    if video is None:
        if not await admission.is_admitted(
            request.context,
            user_id=caller.id,
            course_id=access.video.course_id,
            is_open=access.open,
            enrolled=access.enrolled,
        ):
            raise VideoNotFound(video_id)
        video = access.video
    return reply(VideoOut.of(video, poster_url=_poster_url(request, video)))


@post(
    "/api/v1/content/{video_id:uuid}/transcode",
    who=CALLER,
    status=202,
    summary="Transcode a video",
    refusals=(403, 404, 409),
)
async def transcode_video(request: Request, video_id: UUID) -> Reply[TranscodingAsked]:
    """Ask for the renditions; 409 while an earlier request waits for its answer."""
    video = await _owned(request, video_id)
    request_id = new_id()
    await operations.request_transcoding(
        request.tx,
        video_id=video.id,
        course_id=video.course_id,
        request_id=request_id,
        requested_by=request.caller.id,
        now=request.now,
    )
    return reply(TranscodingAsked.of(video.id, request_id=request_id), status=202)


@delete(
    ["/api/v1/content/{video_id:uuid}", "/api/v1/content/{video_id:uuid}/delete"],
    who=CALLER,
    summary="Delete a video",
    refusals=(403, 404),
)
async def delete_video(request: Request, video_id: UUID) -> Reply[VideoChanged]:
    """The video at once, what is stored of it soon after."""
    video = await _owned(request, video_id)
    await operations.remove_video(request.tx, video_id=video.id)
    return reply(VideoChanged(video_id=video.id, status="deleted", message="Video deleted successfully."))


@get("/internal/videos", who=services("courses"), summary="Videos of all courses")
async def video_states(request: Request, limit: Limit = 100, cursor: Cursor = None) -> Reply[VideoPage]:
    """Videos by id, for the filling of copies."""
    videos = await sql.states(request.db, after=read_id(cursor), limit=limit + 1)
    more = next_cursor(videos, limit, lambda one: (one.video_id,))
    return reply(VideoPage(videos=videos[:limit], next_cursor=more))


@get("/internal/videos/{video_id:uuid}", who=services("courses"), summary="One video's state")
async def video_state(request: Request, video_id: UUID) -> Reply[VideoState]:
    """For services whose copy is missing."""
    state = await sql.state(request.db, video_id=video_id)
    if state is None:
        raise VideoNotFound(video_id)
    return reply(state)


async def _owned(request: Request, video_id: UUID) -> Video:
    access = await sql.access(request.db, video_id=video_id, user_id=request.caller.id)
    if access is None:
        raise VideoNotFound(video_id)
    return access.for_owner(request.caller)


def _form(request: Request) -> UploadForm:
    limit = request.context.settings.of(ContentSettings).upload_limit
    if (announced_bytes(request.call) or 0) > limit + _FORM_BYTES:
        raise FileTooLarge(limit)
    return UploadForm(request.call.header(b"content-type"), request.stream(), file_limit=limit)


def _poster_url(request: Request, video: Video) -> str | None:
    poster = video.poster()
    if video.renditions is None or poster is None:
        return None
    playback = Playback(video_id=video.id, request_id=video.renditions.request_id)
    token = request.context.part(Parts).tokens.issue(playback, caller=request.caller, now=request.now)
    return f"/api/v1/content/play/{token}/{poster}"


routes = (upload_video, read_video, transcode_video, delete_video, video_states, video_state)
