"""Watching: the master playlist or the source for a person, everything below it for whoever holds its token."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

from litestar.params import QueryParameter

from moocflix.platform.auth.access import ANYONE, HOLDER, NotSignedIn
from moocflix.platform.clock import utc_now
from moocflix.platform.http.objects import object_reply
from moocflix.platform.http.reply import Answer, bytes_reply
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import get
from moocflix.platform.service import ServiceContext
from moocflix.platform.storage.content_types import content_type_of
from moocflix.services.content import admission
from moocflix.services.content.media.playlists import master_playlist
from moocflix.services.content.parts import Parts
from moocflix.services.content.playback import sql
from moocflix.services.content.playback.model import NoSuchFile, NotReady, checked_file
from moocflix.services.content.settings import ContentSettings
from moocflix.services.content.tokens import Playback, PlaybackRefused
from moocflix.services.content.video import sql as video_sql
from moocflix.services.content.video.model import Video, VideoNotFound

_PLAYLIST = "index.m3u8"
_MASTER_TYPE = content_type_of(_PLAYLIST)
_NEVER_KEPT = {"cache-control": "private, no-store"}


@get(
    "/api/v1/content/{video_id:uuid}/stream",
    who=ANYONE,
    summary="Watch a video",
    refusals=(401, 404, 409, 416),
    sends={200: [_MASTER_TYPE, "video/*"], 206: ["video/*"]},
)
async def stream(
    request: Request,
    video_id: UUID,
    file_format: Annotated[str | None, QueryParameter(name="format", description="`file`: the source itself")] = None,
) -> Answer:
    """The HLS master playlist, whose addresses carry a playback token; 409 until the video is ready.

    While the course is a draft only its owner may watch.

    With `format=file` the source, with byte ranges (RFC 9110).
    """
    video = await _watched(request, video_id)
    if file_format == "file":
        return await _source(request, video)
    if video.renditions is None:
        raise NotReady(video.status)
    token = request.context.part(Parts).tokens.issue(
        Playback(video_id=video.id, request_id=video.renditions.request_id),
        caller=request.maybe_caller,
        now=request.now,
    )
    # Relative: a gateway may serve us below any path.
    playlist = master_playlist(video.renditions.rungs, base=f"../play/{token}")
    return bytes_reply(playlist.encode(), media_type=_MASTER_TYPE, headers=_NEVER_KEPT)


def _counts(context: ServiceContext, token: str) -> bool:
    try:
        context.part(Parts).tokens.read(token, now=utc_now())
    except PlaybackRefused:
        return False
    return True


@get(
    "/api/v1/content/play/{token:str}/{file:path}",
    who=HOLDER,
    rate="media",
    token_counts=_counts,
    summary="A playlist, segment or poster",
    refusals=(401, 404, 416),
    sends={200: [_MASTER_TYPE, "video/*", "image/*"], 206: ["video/*", "image/*"]},
)
async def play(request: Request, token: str, file: Path) -> Answer:
    """What the master playlist leads to, for whoever holds its token."""
    parts = request.context.part(Parts)
    playback = parts.tokens.read(token, now=request.now)
    name = checked_file(str(file))
    prefix = parts.prefixes.get(playback.request_id)
    if prefix is None:
        prefix = await sql.prefix(request.db, request_id=playback.request_id)
        if prefix is None:
            raise NoSuchFile
        parts.prefixes.keep(playback.request_id, prefix)
    settings = request.context.settings.of(ContentSettings)
    return await object_reply(
        request,
        f"{prefix}{name}",
        cache_control=f"private, max-age={settings.playback_seconds}, immutable",
        # A playlist's addresses are relative to where it was read: it is never sent from elsewhere.
        url_seconds=None if name.endswith(_PLAYLIST) else settings.url_seconds,
    )


async def _watched(request: Request, video_id: UUID) -> Video:
    caller = request.maybe_caller
    access = await video_sql.access(request.db, video_id=video_id, user_id=caller.id if caller else None)
    if access is None:
        # The anonymous are told to sign in, as for every video that is not for everybody: theirs is not to know of it.
        raise NotSignedIn if caller is None else VideoNotFound(video_id)
    video = access.for_anybody(caller)
    if video is not None:
        return video
    if caller is None or not await admission.is_admitted(
        request.context,
        user_id=caller.id,
        course_id=access.video.course_id,
        is_open=access.open,
        enrolled=access.enrolled,
    ):
        raise VideoNotFound(video_id)
    return access.video


async def _source(request: Request, video: Video) -> Answer:
    seconds = request.context.settings.of(ContentSettings).url_seconds
    return await object_reply(
        request,
        video.source_key,
        content_type=video.probe.content_type,
        cache_control="private, no-cache",
        url_seconds=seconds,
    )


routes = (stream, play)
