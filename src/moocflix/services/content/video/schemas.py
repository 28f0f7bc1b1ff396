"""A video as the API shows it."""

from datetime import datetime
from uuid import UUID

import msgspec

from moocflix.contracts.content import VideoStatus
from moocflix.platform.errors import Invalid
from moocflix.platform.http.reply import Body
from moocflix.services.content.video.model import Video

_TITLE_LENGTH = 200
_YES_OR_NO = {"true": True, "1": True, "false": False, "0": False, "": False}


UPLOAD_FORM = {
    "type": "object",
    "description": "The fields come before the file, which is streamed.",
    "properties": {
        "courseId": {"type": "string", "format": "uuid"},
        "title": {"type": "string", "maxLength": _TITLE_LENGTH},
        "transcode": {"type": "boolean", "description": "Whether to transcode it at once."},
        "file": {"type": "string", "format": "binary"},
    },
    "required": ["courseId", "file"],
}


class UploadFields(msgspec.Struct, frozen=True, kw_only=True):
    """The form's fields before the file."""

    course_id: UUID
    title: str
    transcode: bool

    @classmethod
    def of(cls, fields: dict[str, str]) -> "UploadFields":
        """The form's fields, checked. Raises Invalid, naming the field."""
        if "courseId" not in fields:
            raise Invalid("The field courseId is needed, before the file.", field="courseId")
        try:
            course_id = UUID(fields["courseId"])
        except ValueError:
            raise Invalid("courseId is not an id.", field="courseId") from None
        title = fields.get("title", "").strip()
        if len(title) > _TITLE_LENGTH:
            raise Invalid(f"A title has at most {_TITLE_LENGTH} characters.", field="title")
        transcode = _YES_OR_NO.get(fields.get("transcode", "").lower())
        if transcode is None:
            raise Invalid("transcode is true or false.", field="transcode")
        return cls(course_id=course_id, title=title, transcode=transcode)


class UploadOut(Body):
    """An upload that was taken."""

    video_id: UUID
    status: str
    message: str

    @classmethod
    def of(cls, video_id: UUID, *, transcode: bool) -> "UploadOut":
        """What its sender is told; whether it is to be transcoded at once."""
        status = "queued" if transcode else "uploaded"
        return cls(video_id=video_id, status=status, message="Video uploaded successfully.")


class RenditionOut(Body):
    """One rung of the ladder: pixels, and the peak in bits a second."""

    name: str
    width: int
    height: int
    bandwidth: int
    codecs: str


class VideoOut(Body):
    """A video; `duration` in seconds, `size` in bytes, `progress` of the transcoding as a fraction."""

    video_id: UUID
    course_id: UUID
    title: str
    status: VideoStatus
    duration: float
    size: int
    width: int
    height: int
    has_sound: bool
    renditions: list[RenditionOut]
    poster_url: str | None
    stream_url: str | None
    progress: float | None
    error: str | None
    created_at: datetime

    @classmethod
    def of(cls, video: Video, *, poster_url: str | None) -> "VideoOut":
        """What those who may watch it are told."""
        rungs = video.renditions.rungs if video.renditions else []
        return cls(
            video_id=video.id,
            course_id=video.course_id,
            title=video.title,
            status=video.status,
            duration=video.probe.duration,
            size=video.source_bytes,
            width=video.probe.width,
            height=video.probe.height,
            has_sound=video.probe.audio_codec is not None,
            renditions=[RenditionOut(**msgspec.structs.asdict(rung)) for rung in rungs],
            poster_url=poster_url,
            stream_url=f"/api/v1/content/{video.id}/stream" if video.renditions else None,
            progress=video.transcoding.progress if video.transcoding else None,
            error=video.error,
            created_at=video.created_at,
        )


class VideoChanged(Body):
    """What was done to a video."""

    video_id: UUID
    status: str
    message: str


class TranscodingAsked(Body):
    """A transcoding that was asked for."""

    video_id: UUID
    request_id: UUID
    status: str
    message: str

    @classmethod
    def of(cls, video_id: UUID, *, request_id: UUID) -> "TranscodingAsked":
        """What the asker is told."""
        return cls(video_id=video_id, request_id=request_id, status="queued", message="Transcoding requested.")
