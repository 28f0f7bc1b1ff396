"""What is done to which process, and when: a plan that the seed makes."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import psutil

from tests.faults.distributed.pace import Pace
from tests.faults.distributed.victims import Victims

Part = Literal["service", "relay", "consumer", "worker", "postgres", "kafka", "valkey"]
Manner = Literal["kill", "stop", "freeze"]

PARTS: tuple[Part, ...] = ("service", "relay", "consumer", "worker", "postgres", "kafka", "valkey")
MANNERS: tuple[Manner, ...] = ("kill", "stop", "freeze")
EVERY = 5_000
"""One round of all parts and manners for each so many commands."""

SERVICES = ("users", "courses", "enrollments", "progress", "content")
# Longer than the relay's lease and a consumer's session last, so that others take over before it comes back.
FREEZES = {"relay": (1.0, 20.0), "consumer": (1.0, 16.0), "worker": (1.0, 16.0), "service": (0.5, 12.0)}
BACK_SECONDS = 120.0


@dataclass(frozen=True)
class Injury:
    """Something that happens to a process once so many commands have begun."""

    at: int
    part: Part
    name: str
    manner: Manner
    seconds: float
    """How long it is frozen."""


def plan(*, seed: str, commands: int) -> list[Injury]:
    """Every part in every manner, once in each round, evenly over the commands."""
    chance = random.Random(f"injuries {seed}")
    rounds: list[tuple[Part, Manner]] = []
    for _ in range(max(1, commands // EVERY)):
        each: list[tuple[Part, Manner]] = [(part, manner) for part in PARTS for manner in MANNERS]
        chance.shuffle(each)
        rounds += each
    step = commands / (len(rounds) + 1)
    return [
        Injury(
            int(step * number),
            part,
            chance.choice({"service": SERVICES, "relay": ("relay", "second relay")}.get(part, (part,))),
            manner,
            round(chance.uniform(*FREEZES.get(part, (0.5, 8.0))), 2),
        )
        for number, (part, manner) in enumerate(rounds, 1)
    ]


async def inflict_all(injuries: Sequence[Injury], victims: Victims, pace: Pace) -> None:
    """One after the other; the commands go on meanwhile, but not past the next one."""
    for number, injury in enumerate(injuries):
        await pace.hold_at(injuries[number + 1].at if number + 1 < len(injuries) else None)
        await pace.reached(injury.at)
        await _inflict(injury, victims)


async def _inflict(injury: Injury, victims: Victims) -> None:
    pid = await _there(victims, injury.name)
    if injury.manner == "freeze":
        with frozen(pid):
            await asyncio.sleep(injury.seconds)
        return
    # As its own launcher does it: for PostgreSQL a TERM would wait for every client to leave.
    softly = signal.SIGINT if injury.part == "postgres" else signal.SIGTERM
    os.kill(pid, signal.SIGKILL if injury.manner == "kill" else softly)
    await _there(victims, injury.name, other_than=pid)


async def _there(victims: Victims, name: str, *, other_than: int | None = None) -> int:
    """The process's id, once it is there."""
    deadline = time.monotonic() + BACK_SECONDS
    while time.monotonic() < deadline:
        pid = victims.pid(name)
        if pid is not None and pid != other_than and psutil.pid_exists(pid):
            return pid
        await asyncio.sleep(0.05)
    raise AssertionError(f"the {name} was not back after {BACK_SECONDS:.0f} s")


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process and all below it stand still."""
    process = psutil.Process(pid)
    stopped = [process]
    process.suspend()
    for below in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            below.suspend()
            stopped.append(below)
    try:
        yield
    finally:
        _resume(stopped)


def _resume(stopped: Iterable[psutil.Process]) -> None:
    for process in stopped:
        with suppress(psutil.NoSuchProcess):
            process.resume()
