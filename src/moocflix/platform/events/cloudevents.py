"""CloudEvents 1.0: the attributes that go along with an event's data, and the message that they make again."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from moocflix.platform.clock import utc_now
from moocflix.platform.events.envelope import Message, Topic

JSON = "application/json"
_SOURCE = "/moocflix/"


class Unreadable(Exception):
    """What came is no event of ours."""


def type_of(topic: str) -> str:
    """The `type` attribute, `moocflix.course.creation.v1` for Course-Creation."""
    return f"moocflix.{topic.lower().replace('-', '.')}.v1"


def names_by_type(topics: Iterable[Topic[Any]]) -> dict[str, str]:
    """The topics' names by the type that their events carry."""
    return {topic.type: topic.name for topic in topics}


def attributes_of(message: Message) -> dict[str, str]:
    """The context attributes, without the data's content type, which each transport has a place for."""
    found = {
        "specversion": "1.0",
        "id": str(message.id),
        "source": _SOURCE + message.source,
        "type": type_of(message.topic),
        "subject": message.subject,
        "time": message.time.isoformat().replace("+00:00", "Z"),
    }
    if message.correlation_id is not None:
        found["correlationid"] = message.correlation_id
    if message.traceparent is not None:
        found["traceparent"] = message.traceparent
    return found


def message_of(attributes: Mapping[str, str], *, key: str, data: bytes, names: Mapping[str, str]) -> Message:
    """The message that was sent; `names` are the topics' by type. Raises Unreadable."""
    try:
        return Message(
            id=UUID(attributes["id"]),
            topic=names[attributes["type"]],
            key=key,
            subject=attributes.get("subject", key),
            source=attributes["source"].removeprefix(_SOURCE),
            time=datetime.fromisoformat(attributes["time"]),
            data=_checked(data),
            correlation_id=attributes.get("correlationid"),
            traceparent=attributes.get("traceparent"),
        )
    except (KeyError, ValueError, UnicodeDecodeError) as error:
        raise Unreadable(f"{type(error).__name__} in an event") from error


def stand_in(place: str, *, topic: str, source: str, key: str, data: bytes) -> Message:
    """For what cannot be read: a message that fails, is parked, and holds nobody up; `place` makes its id."""
    text = data.decode(errors="replace").replace("\0", "")
    return Message(
        id=uuid5(NAMESPACE_URL, f"moocflix:{place}"),
        topic=topic,
        key=key,
        subject=key,
        source=source,
        time=utc_now(),
        data=msgspec.json.encode({"unreadable": text[:10_000]}),
    )


def _checked(data: bytes) -> bytes:
    """The data, if it is JSON that the retry table can keep. Raises ValueError."""
    msgspec.json.decode(data)
    if b"\\u0000" in data:
        raise ValueError("a zero character in an event")
    return data
