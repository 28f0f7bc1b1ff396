"""What a probe says of a file, and the bounds that it is given."""

from typing import Literal

import msgspec

FaultKind = Literal["unsupported", "damaged", "too large"]


class Probe(msgspec.Struct, frozen=True, kw_only=True, tag="video"):
    """What is known of a video that can be played; sizes as it is shown, turned and with square pixels."""

    demuxer: str
    content_type: str
    duration: float
    width: int
    height: int
    rotation: int
    frame_rate: float
    video_index: int
    audio_index: int | None
    video_codec: str
    audio_codec: str | None


class Fault(msgspec.Struct, frozen=True, kw_only=True, tag="fault"):
    """Why a file is not taken: it is no video of a kind that we know, or a damaged one."""

    kind: FaultKind
    sentence: str


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """The largest picture, in pixels, and the longest time, in seconds, that are taken."""

    pixels: int
    seconds: int
