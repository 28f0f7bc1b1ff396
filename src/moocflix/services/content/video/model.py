"""A video, who may see it, and the refusals that speak of one."""

from datetime import datetime
from uuid import UUID

import msgspec

from moocflix.contracts.content import Rendition, VideoStatus
from moocflix.platform.auth.access import NotSignedIn
from moocflix.platform.auth.principal import Principal
from moocflix.platform.errors import Conflict, Forbidden, NotFound
from moocflix.services.content.media.findings import Probe


class VideoNotFound(NotFound):
    """There is no such video, or it is not the caller's to know of."""

    def __init__(self, video_id: UUID) -> None:
        super().__init__(f"There is no video {video_id}.")


class NotYourVideo(Forbidden):
    """The caller may watch it, not change it."""

    def __init__(self) -> None:
        super().__init__("Only the course's instructor and admins may do this.")


class TranscodingRuns(Conflict):
    """One transcoding at a time."""

    def __init__(self, video_id: UUID) -> None:
        super().__init__(f"Video {video_id} is being transcoded already.")


class Transcoding(msgspec.Struct, frozen=True, kw_only=True):
    """The latest request to transcode a video; `progress` is a fraction."""

    request_id: UUID
    progress: float
    finished: bool


class Renditions(msgspec.Struct, frozen=True, kw_only=True):
    """What players get: the renditions that a request has made, below `prefix`."""

    request_id: UUID
    prefix: str
    rungs: list[Rendition]
    poster_key: str | None


class Video(msgspec.Struct, frozen=True, kw_only=True):
    """A video, with what decides who may see it."""

    id: UUID
    version: int
    course_id: UUID
    instructor_id: UUID
    uploaded_by: UUID
    title: str
    status: VideoStatus
    source_key: str
    source_bytes: int
    probe: Probe
    error: str | None
    created_at: datetime
    transcoding: Transcoding | None
    renditions: Renditions | None

    def poster(self) -> str | None:
        """The poster's name below the renditions' prefix, where there is one."""
        if self.renditions is None or self.renditions.poster_key is None:
            return None
        return self.renditions.poster_key.removeprefix(self.renditions.prefix)


class VideoAccess(msgspec.Struct, frozen=True, kw_only=True):
    """A video as one caller meets it: whether a copy says that they are enrolled, and whether anybody may watch.

    Only an `open` course shows its videos to others than its owner: a draft, also one that was published before, to
    nobody.
    """

    video: Video
    open: bool
    enrolled: bool
    preview: bool

    def for_learner(self, caller: Principal) -> Video | None:
        """The video, where this person may see it; None where no copy here says so."""
        return self.video if (self.enrolled and self.open) or self._is_owner(caller) else None

    def for_owner(self, caller: Principal) -> Video:
        """The video, where this person may change it. Raises NotYourVideo; VideoNotFound for strangers."""
        if self._is_owner(caller):
            return self.video
        if self.enrolled and self.open:
            raise NotYourVideo
        raise VideoNotFound(self.video.id)

    def for_anybody(self, caller: Principal | None) -> Video | None:
        """As for_learner; a previewed lesson's video for strangers too. Raises NotSignedIn for the anonymous."""
        if self.preview:
            return self.video
        if caller is None:
            raise NotSignedIn
        return self.for_learner(caller)

    def _is_owner(self, caller: Principal) -> bool:
        return caller.is_admin or caller.id == self.video.instructor_id
