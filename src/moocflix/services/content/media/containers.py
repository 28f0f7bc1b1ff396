"""Recognising a video file by its first bytes, and one that was cut off by the sizes that it states itself.

Only what is recognised here is ever given to a demuxer, and that one is forced: left to guess, ffmpeg would take a text
file for a playlist and open what it names.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

HEAD_BYTES = 1024
_MPEG_TS_PACKET = 188
_BOXES = frozenset({b"ftyp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp"})
_BOXES_WITH_SUBSTANCE = frozenset({b"moov", b"moof", b"mdat"})
_SEGMENT = b"\x18\x53\x80\x67"


@dataclass(frozen=True, slots=True)
class Container:
    """A file format: the demuxer that reads it, and its media type."""

    demuxer: str
    content_type: str


_BY_FIRST_BYTES = (
    (b"\x00\x00\x01\xba", Container("mpeg", "video/mpeg")),
    (b"FLV\x01", Container("flv", "video/x-flv")),
    (b"OggS", Container("ogg", "video/ogg")),
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), Container("asf", "video/x-ms-asf")),  # pragma: allowlist secret
)


def recognised(head: bytes) -> Container | None:
    """The container that a file starting with these bytes is; None for everything else."""
    if head[4:8] in _BOXES:
        return Container("mov", "video/quicktime" if head[8:12] == b"qt  " else "video/mp4")
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return Container("matroska", "video/webm" if b"webm" in head[:64] else "video/x-matroska")
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return Container("avi", "video/x-msvideo")
    if head[0:1] == b"G" and head[_MPEG_TS_PACKET : _MPEG_TS_PACKET + 1] == b"G":
        return Container("mpegts", "video/mp2t")
    return next((container for start, container in _BY_FIRST_BYTES if head.startswith(start)), None)


def is_cut_off(container: Container, file: BinaryIO, size: int) -> bool:
    """Whether the file ends before its own sizes say, or lacks its index: an upload or a copy that broke off."""
    if container.demuxer == "mov":
        return _boxes_cut_off(file, size)
    if container.demuxer == "matroska":
        return _segment_cut_off(file, size)
    if container.demuxer == "avi":
        file.seek(4)
        return bool(8 + struct.unpack("<I", file.read(4))[0] > size)
    return False


def _boxes_cut_off(file: BinaryIO, size: int) -> bool:
    offset, indexed = 0, False
    while offset + 8 <= size:
        file.seek(offset)
        length, kind = struct.unpack(">I4s", file.read(8))
        indexed |= kind == b"moov"
        if length == 1:
            length = int.from_bytes(file.read(8))
        if length == 0:  # it goes on to the end of the file
            break
        if kind in _BOXES_WITH_SUBSTANCE and offset + length > size:
            return True
        if length < 8:  # noqa: PLR2004 - no box is smaller than its own header: what follows is no box
            break
        offset += length
    return not indexed


def _segment_cut_off(file: BinaryIO, size: int) -> bool:
    file.seek(0)
    head = file.read(HEAD_BYTES)
    start = head.find(_SEGMENT)
    if start < 0 or start + 5 > len(head):
        return True
    first = head[start + 4]
    if first == 0:
        return True
    width = 9 - first.bit_length()
    value = int.from_bytes(head[start + 4 : start + 4 + width]) & ((1 << 7 * width) - 1)
    unknown = (1 << 7 * width) - 1  # a live recording that nobody went back to complete
    return value != unknown and start + 4 + width + value > size
