"""A video that lessons may show: how long it is, and whether it is still there."""

from uuid import UUID

import msgspec

from moocflix.contracts.content import VideoState
from moocflix.platform.errors import Invalid


class VideoUnknown(Invalid):
    def __init__(self, video_id: UUID) -> None:
        super().__init__(f"There is no video {video_id}.", field="videoId")


class VideoGone(Invalid):
    def __init__(self, video_id: UUID) -> None:
        super().__init__(f"Video {video_id} has been deleted.", field="videoId")


class VideoElsewhere(Invalid):
    def __init__(self, video_id: UUID) -> None:
        super().__init__(f"Video {video_id} belongs to another course.", field="videoId")


class Video(msgspec.Struct, frozen=True, kw_only=True):
    """The copy of a video; `duration` in seconds, None where it is not known."""

    id: UUID
    course_id: UUID
    duration: int | None
    deleted: bool
    version: int

    @classmethod
    def of(cls, state: VideoState) -> "Video":
        """A video as its owner has it."""
        return cls(
            id=state.video_id,
            course_id=state.course_id,
            duration=whole_seconds(state.duration),
            deleted=False,
            version=state.version,
        )


def whole_seconds(seconds: float) -> int:
    """A duration as lessons show it."""
    return max(1, round(seconds))


def usable(video: Video, *, course_id: UUID) -> Video:
    """The video, where lessons of this course may show it. Raises VideoGone, VideoElsewhere."""
    if video.course_id != course_id:
        raise VideoElsewhere(video.id)
    if video.deleted:
        raise VideoGone(video.id)
    return video
