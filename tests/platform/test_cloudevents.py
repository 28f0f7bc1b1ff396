"""What is taken for an event of ours: nothing that the database refuses to keep, whatever strangers send."""

from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from moocflix.platform.events.cloudevents import Unreadable, attributes_of, message_of, names_by_type, stand_in
from moocflix.platform.events.envelope import Message
from tests.platform.post_office import BOOK_UPDATE, PostOffice

NAMES = names_by_type([BOOK_UPDATE])


def read(data: bytes = b"{}", *, key: str = "key", but: tuple[str, str] = ("extension", "1")) -> Message:
    """An event of ours, but for this attribute."""
    sent = Message(uuid4(), BOOK_UPDATE.name, key, "subject", "library", datetime.now(UTC), data)
    return message_of({**attributes_of(sent), but[0]: but[1]}, key=key, data=data, names=NAMES)


@pytest.mark.parametrize("name", ["subject", "source", "correlationid", "traceparent"])
def test_an_attribute_with_a_zero_character_is_unreadable(name: str) -> None:
    with pytest.raises(Unreadable):
        read(but=(name, "a\0b"))


def test_what_is_too_long_for_an_index_is_unreadable() -> None:
    assert read(key=250 * "k", but=("source", 250 * "s")).key == 250 * "k"
    with pytest.raises(Unreadable):
        read(key=251 * "k")
    with pytest.raises(Unreadable):
        read(but=("source", 251 * "s"))
    assert len(stand_in("place", topic=BOOK_UPDATE.name, source="library", key=5000 * "k", data=b"").key) == 250


@pytest.mark.parametrize("time", ["2026-11-21T15:00:00", "2026-11-21", "0001-01-01T00:00:00+14:00", "soon"])
def test_a_time_that_cannot_be_compared_is_unreadable(time: str) -> None:
    with pytest.raises(Unreadable):
        read(but=("time", time))


def test_a_time_in_any_zone_is_the_same_time() -> None:
    assert read(but=("time", "2026-11-21T16:00:00+01:00")).time == datetime(2026, 11, 21, 15, tzinfo=UTC)


@pytest.mark.parametrize("depth", [1_500, 100_000])
def test_data_nested_without_end_is_unreadable(depth: int) -> None:
    with pytest.raises(Unreadable):
        read(b"[" * depth + b"]" * depth)


@pytest.mark.parametrize(
    "number", ["1e-16384", "1.5E-16383", "0e-16384", "0." + 16_384 * "0", "1e400", "0e16384", "0.0E+9999999999"]
)
def test_a_number_without_a_place_in_the_database_is_unreadable(number: str) -> None:
    with pytest.raises(Unreadable):
        read(b'{"n": %s}' % number.encode())


@pytest.mark.parametrize("number", ["1e-16383", "1.5E-16382", "0." + 16_383 * "0", "-1.5e300", "9" * 300, "0e16383"])
async def test_the_database_keeps_every_number_that_is_read(office: PostOffice, number: str) -> None:
    data = read(b'{"n": %s}' % number.encode()).data.decode()
    reader = office.database("archive", size=1).reader
    assert await reader.fetchval("SELECT ($1::text::jsonb -> 'n')::numeric = $2::text::numeric", data, number)


@pytest.mark.parametrize("number", ["1e-16384", "1.5E-16383", "0e-16384", "0e1073741824"])
async def test_the_database_refuses_what_is_written_with_more_digits(office: PostOffice, number: str) -> None:
    with pytest.raises(asyncpg.NumericValueOutOfRangeError):
        await office.database("archive", size=1).reader.fetchval("SELECT $1::text::jsonb", number)
