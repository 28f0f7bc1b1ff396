"""Whether a process can serve, and which of its parts are at fault; and how several of them are together."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import monotonic

from moocflix.platform.errors import Refusal, Unavailable

_KEEP_SECONDS = 1.0
_PART_SECONDS = 3.0
# Parts are asked in two rounds: whoever is in a hurry has answered within what a neighbour is given, and that is less
# than what a gateway waits.
_HURRIED_SECONDS = 1.0
_NEIGHBOUR_SECONDS = 2.5

Check = Callable[[], Awaitable[str | None]]
"""Returns a word for the fault, or None."""


@dataclass(frozen=True, slots=True)
class Report:
    """`ready` is false only while nothing can be served at all."""

    ready: bool
    degraded: list[str]


Look = Callable[[], Awaitable[Report]]


class Health:
    """A report, made anew at most once a second."""

    def __init__(self, look: Look) -> None:
        """`look` makes it."""
        self._look = look
        self._report = Report(ready=False, degraded=[])
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def report(self) -> Report:
        """How all is."""
        async with self._asking:
            if monotonic() - self._asked_at > _KEEP_SECONDS:
                self._report = await self._look()
                self._asked_at = monotonic()
        return self._report


def of_parts(*, vital: Mapping[str, Check], others: Mapping[str, Check], seconds: float = _PART_SECONDS) -> Look:
    """Without a `vital` part the process cannot serve; without one of the `others` it is degraded."""

    async def look() -> Report:
        faults = await _faults(vital, seconds)
        return Report(ready=not faults, degraded=sorted(faults + await _faults(others, seconds)))

    return look


def of_neighbours(processes: Mapping[str, Look]) -> Look:
    """Several, asked at once: ready as long as one of them can serve, degraded by what any of them says."""

    async def look() -> Report:
        reports = dict(zip(processes, await asyncio.gather(*map(_told, processes.values())), strict=True))
        degraded = sorted(f"{name}: {fault}" for name, report in reports.items() for fault in report.degraded)
        return Report(ready=any(report.ready for report in reports.values()), degraded=degraded)

    return look


@dataclass(frozen=True, slots=True)
class Healths:
    """Who asks decides what is told."""

    alone: Health
    """To who asks this process: how it is itself."""
    hurried: Health
    """To its neighbours: the same, with little time for each part."""
    together: Health
    """To who asks at a gateway: how all processes of the platform are."""

    @classmethod
    def of(
        cls, *, vital: Mapping[str, Check], others: Mapping[str, Check], name: str, neighbours: Mapping[str, Look]
    ) -> "Healths":
        """Of the process `name` with these parts; without neighbours it is the whole platform."""
        alone = Health(of_parts(vital=vital, others=others))
        hurried = Health(of_parts(vital=vital, others=others, seconds=_HURRIED_SECONDS))
        together = Health(of_neighbours({name: hurried.report, **neighbours})) if neighbours else alone
        return cls(alone, hurried, together)


async def _faults(checks: Mapping[str, Check], seconds: float) -> list[str]:
    answers = await asyncio.gather(*(_ask(check, seconds) for check in checks.values()))
    return [f"{name}: {fault}" for name, fault in zip(checks, answers, strict=True) if fault is not None]


async def _ask(check: Check, seconds: float) -> str | None:
    try:
        async with asyncio.timeout(seconds):
            return await check()
    except TimeoutError:
        return "does not answer"
    except (Unavailable, OSError) as error:
        return str(error) or "is away"


async def _told(look: Look) -> Report:
    try:
        async with asyncio.timeout(_NEIGHBOUR_SECONDS):
            return await look()
    except (Refusal, OSError):
        return Report(ready=False, degraded=["does not answer"])
