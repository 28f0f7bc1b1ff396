"""One run: clients at work, processes injured meanwhile, and the reckoning."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.distributed.conftest import Spread
from tests.factories.videos import VideoShelf
from tests.faults.distributed import audit, topics
from tests.faults.distributed.client import Client, Ledger
from tests.faults.distributed.commands import Stream
from tests.faults.distributed.databases import connected
from tests.faults.distributed.injuries import Injury, inflict_all, plan
from tests.faults.distributed.pace import Pace
from tests.faults.distributed.victims import Victims

CLIENTS = 12
ASKED_AGAIN = 200
"""How many keyed commands are repeated once more when all is over."""


@dataclass
class Run:
    """A seed, and what came of it."""

    seed: str
    commands: int
    ledger: Ledger = field(default_factory=Ledger)
    injuries: Sequence[Injury] = ()
    events: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)

    async def go(self, spread: Spread, logs: Path) -> None:
        """From the first command to the last look. Raises AssertionError for an answer that nobody should get."""
        begun = time.monotonic()
        video = VideoShelf(logs).content()
        clients = [
            Client(spread.url, Stream(name, video=video), self.ledger, seed=name)
            for name in (f"{self.seed}-{number}" for number in range(CLIENTS))
        ]
        try:
            with Victims(spread, logs).at_work() as victims:
                await self._work(clients, victims)
                self.seconds = time.monotonic() - begun
                await self._reckon(clients, spread)
        finally:
            for client in clients:
                await client.close()

    async def _work(self, clients: Sequence[Client], victims: Victims) -> None:
        pace = Pace()
        self.injuries = plan(seed=self.seed, commands=self.commands)
        async with asyncio.TaskGroup() as group:
            group.create_task(inflict_all(self.injuries, victims, pace))
            for number, client in enumerate(clients):
                share = self.commands // CLIENTS + (number < self.commands % CLIENTS)
                group.create_task(client.run(share, pace.turn))

    async def _reckon(self, clients: Sequence[Client], spread: Spread) -> None:
        worlds = [client.stream.world for client in clients]
        asked = random.Random(self.seed).sample(self.ledger.keyed, min(ASKED_AGAIN, len(self.ledger.keyed)))
        for keyed in asked:
            await clients[0].ask_again(keyed)
        state = spread.state
        async with connected(state["postgres"]) as databases:
            self.differences = await databases.quiet()
            self.differences += await audit.differences(databases, worlds)
            wrong, self.events = await topics.differences(databases, worlds, state["kafka"]["bootstrapServers"])
        self.differences += [*wrong, *self.ledger.wrong]

    def summary(self) -> str:
        """One line of figures."""
        ledger, manners = self.ledger, Counter(injury.manner for injury in self.injuries)
        acknowledged = sum(ledger.acknowledged.values())
        refused = sum(number for status, number in ledger.statuses.items() if status >= 400)
        hurt = ", ".join(f"{number} {manner}" for manner, number in sorted(manners.items()))
        return (
            f"seed {self.seed}: {acknowledged} of {self.commands} commands acknowledged in {self.seconds:.0f} s "
            f"({ledger.requests} requests, {refused} refused, {ledger.given_up} given up, the slowest command "
            f"{ledger.slowest:.1f} s); {len(self.injuries)} injuries ({hurt}); {self.events['sent']} events in Kafka, "
            f"{self.events['again']} of them again; {len(self.differences)} differences"
        )
