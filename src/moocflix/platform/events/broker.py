"""The port behind which Kafka and RabbitMQ are alike: what the relay sends through, and what groups receive from.

A broker keeps the order of what is sent for one key to one address, and brings everything at least once. That an
effect happens once is the inbox's matter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from moocflix.platform.events.envelope import Message, Topic


class Parcel(msgspec.Struct, frozen=True, gc=False):
    """A message on its way to one address: its topic's name, or another spelling of it."""

    address: str
    message: Message


@dataclass(frozen=True, slots=True)
class Delivery:
    """Messages of one source that came together, in order; `receipt` is the adapter's own."""

    messages: Sequence[Message]
    receipt: Any


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many messages wait for a group at one address."""

    group: str
    address: str
    messages: int


class Subscription(Protocol):
    """One consumer of a group; the group's consumers share what comes."""

    async def receive(self, seconds: float) -> Sequence[Delivery]:
        """What has come, waiting so long for the first. Raises Unavailable."""

    async def done(self, delivery: Delivery) -> None:
        """The group has taken charge of it: it need not come again."""

    async def again(self, deliveries: Sequence[Delivery]) -> None:
        """Nobody took charge of these: they come again, before anything later."""

    async def close(self) -> None:
        """Leave the group."""


class Broker(Protocol):
    """One connection to Kafka or RabbitMQ."""

    async def prepare(self, topics: Sequence[Topic[Any]], groups: Mapping[str, Sequence[Topic[Any]]]) -> None:
        """Make what these topics, and these groups that react to them, need. Raises Unavailable."""

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        """Send these in their order; returns once every one is acknowledged. Raises Unavailable."""

    async def resend(self, group: str, messages: Sequence[Message]) -> None:
        """Send these to one group alone. Raises Unavailable."""

    def subscribe(self, group: str, topics: Sequence[Topic[Any]]) -> Subscription:
        """One more consumer of a group; connects when it first receives."""

    async def waiting(self, group: str, topics: Sequence[Topic[Any]]) -> Sequence[Waiting]:
        """How far a group is behind. Raises Unavailable."""

    async def close(self) -> None:
        """Let go of everything."""


def dead_letter_address(topic: str) -> str:
    """Where copies of dead letters go."""
    return f"{topic}.dead-letter"


def topics_of_group(reactions: Sequence[Any]) -> list[Topic[Any]]:
    """The topics of a service's reactions, each once."""
    return list({reaction.topic.name: reaction.topic for reaction in reactions}.values())
