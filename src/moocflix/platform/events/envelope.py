"""The shape of an event: a topic with its payload type, and the message that a consumer receives."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Generic, TypeVar
from uuid import UUID

import msgspec


class Payload(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an event says. Unknown fields are ignored, so that a producer may add some."""


class State(Payload, frozen=True, kw_only=True):
    """The whole public state of an entity, or the tombstone that its deletion leaves.

    `version` is raised by one, under the row's lock, with each change; a consumer applies only what is newer.
    """

    version: int


class Page(Payload, frozen=True, kw_only=True):
    """Some of a kind, by id, for the filling of copies; `next_cursor` is null on the last page."""

    next_cursor: str | None


P = TypeVar("P", bound=Payload)


@dataclass(frozen=True, slots=True)
class Topic(Generic[P]):
    """A stream of events of one kind, from one service, in order for each key.

    `key` names the payload's field that orders and partitions; `subject` the one that identifies the entity
    (the key, where it is not given). `aliases` are other spellings under which the same event is published.
    """

    name: str
    source: str
    payload: type[P]
    key: str
    subject: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """The CloudEvents `type` attribute."""
        return type_of(self.name)


@cache
def type_of(topic: str) -> str:
    """The CloudEvents `type` attribute, `moocflix.course.creation.v1` for Course-Creation."""
    return f"moocflix.{topic.lower().replace('-', '.')}.v1"


class Message(msgspec.Struct, frozen=True, gc=False):
    """One event as a consumer receives it; `data` is the payload's JSON."""

    id: UUID
    topic: str
    key: str
    subject: str
    source: str
    time: datetime
    data: bytes
    correlation_id: str | None = None
    traceparent: str | None = None
