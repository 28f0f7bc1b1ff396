"""What content alone reads."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from moocflix.platform.settings import Section


class ContentSettings(Section, frozen=True, kw_only=True):
    """Videos."""

    section: ClassVar[str] = "content"

    upload_limit: Annotated[int, Meta(ge=1, description="Largest video that is taken, in bytes.")] = 5 * 1024**3
    uploads_at_once: Annotated[int, Meta(ge=1, description="Uploads that one person may have under way at once.")] = 20
    longest_seconds: Annotated[int, Meta(ge=1, description="Longest video that is taken.")] = 12 * 3600
    largest_pixels: Annotated[int, Meta(ge=1, description="Largest picture that is taken, width times height.")] = (
        8192 * 4320
    )
    transcoder: Annotated[
        Literal["own", "external"],
        Meta(description="Who answers Transcoding-Request: our own ffmpeg, or any other consumer of that topic."),
    ] = "own"
    transcode_seconds: Annotated[int, Meta(ge=1, description="Longest time that one transcoding may take.")] = 6 * 3600
    transcode_memory: Annotated[
        int, Meta(ge=2**27, description="Most memory, in bytes, that one transcoding may map.")
    ] = 3 * 1024**3
    transcode_threads: Annotated[
        int, Meta(ge=0, le=64, description="Threads of each encoder; 0: one for each processor.")
    ] = 0
    transcodes_at_once: Annotated[int, Meta(ge=1, le=64, description="Transcodings that one worker runs at once.")] = 1
    answer_hours: Annotated[
        int, Meta(ge=1, description="After how long a transcoding that nobody has answered counts as failed.")
    ] = 24
    playback_seconds: Annotated[int, Meta(ge=60, le=24 * 3600, description="How long a playback token counts.")] = (
        24 * 3600
    )
    url_seconds: Annotated[
        int, Meta(ge=1, description="How long a signed URL counts that a player is sent to, on S3.")
    ] = 60
