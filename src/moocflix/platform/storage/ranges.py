"""Byte ranges and validators of RFC 9110, sections 13 and 14: which part of a file to send."""

import re
from dataclasses import dataclass
from email.utils import format_datetime, parsedate_to_datetime

from moocflix.platform.errors import RangeUnsatisfiable
from moocflix.platform.storage.port import StoredObject

# One range only: for several a server may send the whole, and no player asks for several.
_RANGE = re.compile(r"bytes=\s*(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Conditions:
    """The request's headers that decide what is sent."""

    range: str | None = None
    if_range: str | None = None
    if_none_match: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What to send: the bytes from `start` up to, not including, `end`, under this status and these headers."""

    status: int
    start: int
    end: int
    headers: dict[str, str]


def part_of(stored: StoredObject, conditions: Conditions) -> Part:
    """The part that the caller asked for: 200, 206 or 304. Raises RangeUnsatisfiable."""
    headers = {
        "accept-ranges": "bytes",
        "etag": stored.etag,
        "last-modified": format_datetime(stored.modified.replace(microsecond=0), usegmt=True),
    }
    if conditions.if_none_match is not None and _names(conditions.if_none_match, stored.etag):
        return Part(304, 0, 0, headers)
    bounds = _bounds(conditions.range, stored.size) if _still_the_same(conditions.if_range, stored) else None
    start, end = bounds or (0, stored.size)
    headers["content-length"] = str(end - start)
    if bounds is None:
        return Part(200, start, end, headers)
    headers["content-range"] = f"bytes {start}-{end - 1}/{stored.size}"
    return Part(206, start, end, headers)


def _bounds(asked: str | None, size: int) -> tuple[int, int] | None:
    # An unknown unit, a malformed range or one that ends before it starts is ignored, as the RFC asks.
    found = _RANGE.fullmatch(asked) if asked else None
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        return _suffix(int(suffix), size)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise RangeUnsatisfiable(size)
    return int(first), min(int(last) + 1, size) if last else size


def _suffix(length: int, size: int) -> tuple[int, int] | None:
    if length == 0:
        raise RangeUnsatisfiable(size)
    # Of an empty file any suffix is the whole file, and no Content-Range can say so.
    return (max(0, size - length), size) if size else None


def _names(listed: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in listed.split(",")]
    return "*" in tags or etag in tags


def _still_the_same(if_range: str | None, stored: StoredObject) -> bool:
    if if_range is None:
        return True
    if if_range.startswith(('"', "W/")):
        return if_range == stored.etag  # the strong comparison: a weak tag never matches
    try:
        return parsedate_to_datetime(if_range) == stored.modified.replace(microsecond=0)
    except (ValueError, TypeError):
        return False
