"""What is done to which link of the network, and when: a plan that the seed makes."""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

from tests.faults.distributed.pace import Pace
from tests.faults.network import Network

Manner = Literal["cut", "cut one way", "slowed"]

SERVICES = ("users", "courses", "enrollments", "progress", "content")
CALLS = (("courses", "enrollments"), ("enrollments", "courses"), ("progress", "courses"), ("content", "users"))
SECONDS: dict[Manner, tuple[float, float]] = {"cut": (5.0, 11.0), "cut one way": (5.0, 11.0), "slowed": (3.0, 4.0)}
"""Cuts last longer than some connections are held for good, and shorter than others."""


@dataclass(frozen=True)
class Break:
    """Something that happens to a link once so many commands have begun."""

    at: int
    one: str
    other: str
    manner: Manner
    seconds: float

    def on(self, network: Network) -> AbstractContextManager[None]:
        """For as long as this lasts."""
        if self.manner == "slowed":
            return network.slowed(self.one, self.other)
        return network.cut(self.one, self.other, one_way=self.manner == "cut one way")


def plan(*, seed: str, commands: int) -> list[Break]:
    """Every kind of link, once cut and once slowed, evenly over the commands."""
    chance = random.Random(f"links {seed}")
    each: list[tuple[tuple[str, str], Manner]] = []
    for link in _links(chance):
        ways: list[Manner] = ["cut", "cut one way"]
        each += [(link, chance.choice(ways)), (link, "slowed")]
    chance.shuffle(each)
    step = commands / (len(each) + 1)
    breaks = []
    for number, (link, manner) in enumerate(each, 1):
        one, other = chance.sample(link, 2)
        breaks.append(Break(int(step * number), one, other, manner, round(chance.uniform(*SECONDS[manner]), 2)))
    return breaks


@dataclass(frozen=True)
class Happened:
    """A break, and when it was."""

    what: Break
    begun: float
    ended: float


async def break_all(breaks: Sequence[Break], network: Network, pace: Pace) -> list[Happened]:
    """One after the other; the commands go on meanwhile, but not past the next one."""
    happened = []
    for number, each in enumerate(breaks):
        await pace.hold_at(breaks[number + 1].at if number + 1 < len(breaks) else None)
        await pace.reached(each.at)
        begun = time.monotonic()
        with each.on(network):
            await asyncio.sleep(each.seconds)
        happened.append(Happened(each, begun, time.monotonic()))
    return happened


def _links(chance: random.Random) -> list[tuple[str, str]]:
    return [
        (chance.choice(SERVICES), "postgres"),
        ("relay", "postgres"),
        ("worker", "postgres"),
        ("relay", "kafka"),
        ("worker", "kafka"),
        ("gateway", chance.choice(SERVICES)),
        (chance.choice(SERVICES), "valkey"),
        chance.choice(CALLS),
    ]
