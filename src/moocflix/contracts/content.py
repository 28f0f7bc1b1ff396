"""What the content service tells others."""

from typing import Literal
from uuid import UUID

from moocflix.platform.entity import Entity
from moocflix.platform.events.envelope import Page, Payload, State, Topic

VideoStatus = Literal["uploaded", "queued", "transcoding", "ready", "failed"]


class Rendition(Payload, frozen=True, kw_only=True):
    """One rung of a video's ladder; sizes in pixels, `bandwidth` the peak in bits a second."""

    name: str
    width: int
    height: int
    bandwidth: int
    codecs: str


class TranscodingRequested(State, frozen=True, kw_only=True):
    """A video is to be transcoded; `source_key` names the upload in the object store."""

    video_id: UUID
    request_id: UUID
    course_id: UUID
    source_key: str
    requested_by: UUID


class TranscodingCompleted(State, frozen=True, kw_only=True):
    """The answer to one `request_id`: ready with its ladder, or failed with a reason. `duration` in seconds."""

    video_id: UUID
    request_id: UUID
    course_id: UUID
    outcome: Literal["ready", "failed"]
    error: str | None = None
    duration: float | None = None
    renditions: list[Rendition] = []
    prefix: str | None = None
    poster_key: str | None = None


class VideoDeleted(State, frozen=True, kw_only=True):
    """The tombstone of a video."""

    video_id: UUID
    course_id: UUID


class VideoState(State, frozen=True, kw_only=True):
    """`GET /internal/videos/{id}`: a video as other services may know it; `duration` in seconds."""

    video_id: UUID
    course_id: UUID
    status: VideoStatus
    duration: float


class VideoPage(Page, frozen=True, kw_only=True):
    """`GET /internal/videos`: videos of all courses by id, for the filling of copies."""

    videos: list[VideoState]


VIDEO = Entity(
    owner="content", path="/internal/videos", state=VideoState, page=VideoPage, listed=lambda page: page.videos
)

TRANSCODING_REQUEST = Topic("Transcoding-Request", "content", TranscodingRequested, key="video_id")
TRANSCODING_COMPLETED = Topic("Transcoding-Completed", "content", TranscodingCompleted, key="video_id")
VIDEO_DELETED = Topic("Video-Deleted", "content", VideoDeleted, key="video_id")

TOPICS = (TRANSCODING_REQUEST, TRANSCODING_COMPLETED, VIDEO_DELETED)
