"""What a video is, found by opening it: a program of its own, run in a confined process for each upload.

It prints one line of JSON, a Probe or a Fault. Whatever a hostile file does to the decoder happens to this process.
"""

import argparse
import sys
from fractions import Fraction
from pathlib import Path

import av
import av.error
import av.logging
import msgspec

from moocflix.services.content.media.containers import HEAD_BYTES, Container, is_cut_off, recognised
from moocflix.services.content.media.findings import Bounds, Fault, FaultKind, Probe

_MICROSECONDS = 1_000_000


class _Refused(Exception):
    def __init__(self, kind: FaultKind, sentence: str) -> None:
        self.fault = Fault(kind=kind, sentence=sentence)


def examine(path: Path, bounds: Bounds) -> Probe | Fault:
    """Open the file with the demuxer that its first bytes ask for; decode a frame at its beginning and near its end."""
    try:
        container = _container(path)
        with av.open(str(path), format=container.demuxer, options={"protocol_whitelist": "file"}) as opened:
            return _probe(container, opened, bounds)
    except _Refused as refused:
        return refused.fault
    except (av.error.FFmpegError, ValueError, OverflowError):
        return Fault(kind="damaged", sentence="The video is damaged or incomplete: it cannot be decoded.")


def _container(path: Path) -> Container:
    with path.open("rb") as file:
        container = recognised(file.read(HEAD_BYTES))
        if container is None:
            raise _Refused("unsupported", "The file is not a video of a known format, whatever its name says.")
        if is_cut_off(container, file, path.stat().st_size):
            raise _Refused("damaged", "The video is incomplete: it breaks off before its end.")
    return container


def _probe(container: Container, opened: av.container.InputContainer, bounds: Bounds) -> Probe:
    pictures = [one for one in opened.streams.video if not one.disposition & av.stream.Disposition.attached_pic]
    if not pictures:
        raise _Refused("unsupported", "The file has no moving picture in it.")
    video = pictures[0]
    if video.width * video.height > bounds.pixels or not video.width * video.height:
        raise _Refused("too large", f"A picture of {video.width} by {video.height} pixels is not taken.")
    video.codec_context.thread_count = 1
    first = next(opened.decode(video), None)
    if first is None:
        raise _Refused("damaged", "The video is damaged: it has no frame that can be decoded.")
    duration = _duration(opened, video)
    if not 0 < duration <= bounds.seconds:
        raise _Refused("too large" if duration > 0 else "damaged", f"A length of {duration:.0f} seconds is not taken.")
    _decode_near_end(opened, video, duration)
    width, height = _shown_size(first, video.sample_aspect_ratio)
    audio = opened.streams.audio[0] if opened.streams.audio else None
    return Probe(
        demuxer=container.demuxer,
        content_type=container.content_type,
        duration=round(duration, 3),
        width=width,
        height=height,
        rotation=first.rotation % 360,
        frame_rate=float(video.average_rate or video.guessed_rate or 25),
        video_index=video.index,
        audio_index=audio.index if audio else None,
        video_codec=video.codec_context.name,
        audio_codec=audio.codec_context.name if audio else None,
    )


def _shown_size(frame: av.VideoFrame, aspect: Fraction | None) -> tuple[int, int]:
    width, height = Fraction(frame.width), frame.height
    if aspect:
        width *= aspect
    shown = (max(1, round(width)), height)
    return shown if frame.rotation % 180 == 0 else (shown[1], shown[0])


def _duration(opened: av.container.InputContainer, video: av.VideoStream) -> float:
    if opened.duration:
        return opened.duration / _MICROSECONDS
    if video.duration and video.time_base:
        return float(video.duration * video.time_base)
    # A recording from a browser says nothing of its length: go through its packets, without decoding them.
    opened.seek(0)
    ends = [
        float((packet.pts + (packet.duration or 0)) * packet.time_base)
        for packet in opened.demux(video)
        if packet.pts is not None and packet.time_base
    ]
    return max(ends, default=0.0)


def _decode_near_end(opened: av.container.InputContainer, video: av.VideoStream, duration: float) -> None:
    opened.seek(int(duration * 0.9 * _MICROSECONDS))
    for _ in opened.decode(video):
        return


def main() -> None:
    """Examine one file and print what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("pixels", type=int)
    parser.add_argument("seconds", type=int)
    given = parser.parse_args()
    av.logging.set_level(av.logging.PANIC)
    found = examine(given.path, Bounds(pixels=given.pixels, seconds=given.seconds))
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
