"""Byte ranges as RFC 9110 has them."""

from datetime import UTC, datetime

import pytest

from moocflix.platform.errors import RangeUnsatisfiable
from moocflix.platform.storage.port import StoredObject
from moocflix.platform.storage.ranges import Conditions, part_of

MODIFIED = datetime(2026, 11, 21, 8, 0, 0, 500, tzinfo=UTC)
FILE = StoredObject(key="f", size=1000, etag='"e1"', content_type="video/mp4", modified=MODIFIED)
EMPTY = StoredObject(key="f", size=0, etag='"e0"', content_type="video/mp4", modified=MODIFIED)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-499", 0, 500),
        ("bytes=500-", 500, 1000),
        ("bytes=900-5000", 900, 1000),
        ("bytes=-100", 900, 1000),
        ("bytes=-5000", 0, 1000),
        ("Bytes=999-999", 999, 1000),
    ],
)
def test_one_range_is_a_part(asked: str, start: int, end: int) -> None:
    part = part_of(FILE, Conditions(range=asked))
    assert (part.status, part.start, part.end) == (206, start, end)
    assert part.headers["content-range"] == f"bytes {start}-{end - 1}/1000"
    assert part.headers["content-length"] == str(end - start)


@pytest.mark.parametrize(
    "asked",
    [None, "", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "bytes=1-2-3", "0-5"],
)
def test_what_is_no_single_range_gets_the_whole(asked: str | None) -> None:
    part = part_of(FILE, Conditions(range=asked))
    assert (part.status, part.start, part.end) == (200, 0, 1000)
    assert "content-range" not in part.headers
    assert part.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("asked", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_outside_the_file_is_refused_with_its_size(asked: str) -> None:
    with pytest.raises(RangeUnsatisfiable) as refused:
        part_of(FILE, Conditions(range=asked))
    assert refused.value.headers() == {"content-range": "bytes */1000"}


def test_an_empty_file_is_sent_whole_for_a_suffix_and_refuses_the_rest() -> None:
    assert part_of(EMPTY, Conditions(range="bytes=-5")).status == 200
    with pytest.raises(RangeUnsatisfiable):
        part_of(EMPTY, Conditions(range="bytes=0-"))


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        ('"e1"', 206),
        ('"e2"', 200),
        ('W/"e1"', 200),
        ("Sat, 21 Nov 2026 08:00:00 GMT", 206),
        ("Sat, 21 Nov 2026 08:00:01 GMT", 200),
        ("yesterday", 200),
    ],
)
def test_if_range_needs_the_very_same_file(if_range: str, status: int) -> None:
    assert part_of(FILE, Conditions(range="bytes=0-1", if_range=if_range)).status == status


def test_a_changed_file_is_sent_whole_even_for_a_range_outside_it() -> None:
    assert part_of(FILE, Conditions(range="bytes=5000-", if_range='"old"')).status == 200


@pytest.mark.parametrize(
    ("tags", "status"), [('"e1"', 304), ('W/"e1"', 304), ('"a", "e1"', 304), ("*", 304), ('"e2"', 200)]
)
def test_a_reader_that_has_it_gets_no_bytes(tags: str, status: int) -> None:
    assert part_of(FILE, Conditions(if_none_match=tags)).status == status
