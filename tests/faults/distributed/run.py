"""One run: clients at work, processes injured meanwhile, and the reckoning."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.faults.distributed import audit, topics
from tests.faults.distributed.client import Client, Ledger
from tests.faults.distributed.commands import Stream
from tests.faults.distributed.databases import connected
from tests.faults.distributed.pace import Pace
from tests.faults.distributed.world import World

CLIENTS = 12
ASKED_AGAIN = 200
"""How many keyed commands are repeated once more when all is over."""


class Place(Protocol):
    """Where it happens."""

    @property
    def url(self) -> str:
        """Where the gateway answers."""

    @property
    def state(self) -> Mapping[str, Any]:
        """What `distributed.json` says of the databases and of Kafka."""


@dataclass
class Run:
    """A seed, and what came of it."""

    seed: str
    commands: int
    video: bytes = field(repr=False)
    """What teachers upload."""
    ledger: Ledger = field(default_factory=Ledger)
    events: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    hurt: str = ""
    """What was done to the platform, in a few words."""
    differences: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.streams = [Stream(f"{self.seed}-{number}", video=self.video) for number in range(CLIENTS)]

    @property
    def worlds(self) -> list[World]:
        """What each client has had acknowledged so far."""
        return [stream.world for stream in self.streams]

    async def go(self, place: Place, hurt: Callable[[Pace], Coroutine[Any, Any, None]]) -> None:
        """From the first command to the last look, while `hurt` does its worst.

        Raises AssertionError for an answer that nobody should get.
        """
        begun = time.monotonic()
        clients = [
            Client(place.url, stream, self.ledger, seed=f"{self.seed}-{number}")
            for number, stream in enumerate(self.streams)
        ]
        try:
            await self._work(clients, hurt)
            self.seconds = time.monotonic() - begun
            await self._reckon(clients, place)
        finally:
            for client in clients:
                await client.close()

    async def _work(self, clients: Sequence[Client], hurt: Callable[[Pace], Coroutine[Any, Any, None]]) -> None:
        pace = Pace()
        async with asyncio.TaskGroup() as group:
            group.create_task(hurt(pace))
            for number, client in enumerate(clients):
                share = self.commands // CLIENTS + (number < self.commands % CLIENTS)
                group.create_task(client.run(share, pace.turn))

    async def _reckon(self, clients: Sequence[Client], place: Place) -> None:
        worlds = self.worlds
        asked = random.Random(self.seed).sample(self.ledger.keyed, min(ASKED_AGAIN, len(self.ledger.keyed)))
        for keyed in asked:
            await clients[0].ask_again(keyed)
        state = place.state
        async with connected(state["postgres"]) as databases:
            self.differences = await databases.quiet()
            self.differences += await audit.differences(databases, worlds)
            wrong, self.events = await topics.differences(databases, worlds, state["kafka"]["bootstrapServers"])
        self.differences += [*wrong, *self.ledger.wrong]

    def summary(self) -> str:
        """One line of figures."""
        ledger = self.ledger
        acknowledged = sum(ledger.acknowledged.values())
        refused = sum(number for status, number in ledger.statuses.items() if status >= 400)
        return (
            f"seed {self.seed}: {acknowledged} of {self.commands} commands acknowledged in {self.seconds:.0f} s "
            f"({ledger.requests} requests, {refused} refused, {ledger.given_up} given up, the slowest command "
            f"{ledger.slowest:.1f} s); {self.hurt}; {self.events['sent']} events in Kafka, "
            f"{self.events['again']} of them again; {len(self.differences)} differences"
        )
