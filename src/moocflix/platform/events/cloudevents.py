"""CloudEvents 1.0: the attributes that go along with an event's data, and the message that they make again."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import isinf
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from moocflix.platform.clock import utc_now
from moocflix.platform.events.envelope import Message, Topic, type_of

JSON = "application/json"
NAMES = ("specversion", "id", "source", "type", "subject", "time", "correlationid", "traceparent")
"""What the attributes of our events are called."""

_SOURCE = "/moocflix/"
# So many digits a number of PostgreSQL may have after its point; jsonb refuses one that is written with more.
_DECIMALS = 16_383
_STANDS_IN = "unreadable"
# Characters of an attribute, or of a key: the retry table has an index on two of them, which takes 2,704 bytes.
_LONGEST = 250


class Unreadable(Exception):
    """What came is no event of ours."""


def names_by_type(topics: Iterable[Topic[Any]]) -> dict[str, str]:
    """The topics' names by the type that their events carry."""
    return {topic.type: topic.name for topic in topics}


def attributes_of(message: Message, *, names: Sequence[str] = NAMES) -> dict[str, str]:
    """The context attributes, without the data's content type, which each transport has a place for.

    `names` are what a transport calls the NAMES.
    """
    values = (
        "1.0",
        str(message.id),
        _SOURCE + message.source,
        type_of(message.topic),
        message.subject,
        message.time.isoformat().replace("+00:00", "Z"),
        message.correlation_id,
        message.traceparent,
    )
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def message_of(attributes: Mapping[str, str], *, key: str, data: bytes, names: Mapping[str, str]) -> Message:
    """The message that was sent; `names` are the topics' by type. Raises Unreadable."""
    try:
        given = {name: _text(attributes[name]) for name in NAMES if name in attributes}
        return Message(
            id=UUID(given["id"]),
            topic=names[given["type"]],
            key=_text(key),
            subject=given.get("subject", key),
            source=given["source"].removeprefix(_SOURCE),
            time=_moment(given["time"]),
            data=_checked(data),
            correlation_id=given.get("correlationid"),
            traceparent=given.get("traceparent"),
        )
    except (KeyError, ValueError, OverflowError, RecursionError) as error:
        raise Unreadable(f"{type(error).__name__} in an event") from error


def stand_in(place: str, *, topic: str, source: str, key: str, data: bytes) -> Message:
    """For what cannot be read: a message that fails, is parked, and holds nobody up; `place` makes its id."""
    text = data.decode(errors="replace").replace("\0", "")
    return Message(
        id=uuid5(NAMESPACE_URL, f"moocflix:{place}"),
        topic=topic,
        key=key[:_LONGEST],
        subject=key[:_LONGEST],
        source=source,
        time=utc_now(),
        data=msgspec.json.encode({_STANDS_IN: text[:10_000]}),
    )


def stands_in(message: Message) -> bool:
    """Whether it is such a message, also one that the database has kept meanwhile."""
    return message.data.startswith(f'{{"{_STANDS_IN}":'.encode())


def _text(value: str) -> str:
    """An attribute that PostgreSQL can keep. Raises ValueError."""
    if "\0" in value or len(value) > _LONGEST:
        raise ValueError("a zero character, or too many characters, in an attribute")
    return value


def _moment(text: str) -> datetime:
    """A time that can be compared with any other. Raises ValueError and OverflowError."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    return time.astimezone(UTC)


def _number(text: str) -> float:
    """A number that jsonb can keep. Raises ValueError."""
    mantissa, _, written = text.lower().partition("e")
    number, exponent = float(text), int(written or 0)
    if isinf(number) or exponent > _DECIMALS or len(mantissa.partition(".")[2]) - exponent > _DECIMALS:
        raise ValueError("a number out of range")
    return number


_decoder = msgspec.json.Decoder(float_hook=_number)


def _checked(data: bytes) -> bytes:
    """The data, if it is JSON that the retry table can keep. Raises ValueError and RecursionError."""
    _decoder.decode(data)
    if b"\\u0000" in data:
        raise ValueError("a zero character in an event")
    return data
