"""Whether a process can serve, and which of its parts are at fault."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import monotonic

from moocflix.platform.errors import Unavailable

_KEEP_SECONDS = 1.0
_PART_SECONDS = 3.0

Check = Callable[[], Awaitable[str | None]]
"""Returns a word for the fault, or None."""


@dataclass(frozen=True, slots=True)
class Report:
    """`ready` is false only while the process cannot serve at all."""

    ready: bool
    degraded: list[str]


class Health:
    """Asks the parts, at most once a second."""

    def __init__(self, *, vital: Mapping[str, Check], others: Mapping[str, Check]) -> None:
        """Without a `vital` part the process cannot serve; without one of the `others` it is degraded."""
        self._vital = vital
        self._others = others
        self._report = Report(ready=False, degraded=[])
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def report(self) -> Report:
        """How the parts are."""
        async with self._asking:
            if monotonic() - self._asked_at > _KEEP_SECONDS:
                vital = await _faults(self._vital)
                self._report = Report(ready=not vital, degraded=sorted(vital + await _faults(self._others)))
                self._asked_at = monotonic()
        return self._report


async def _faults(checks: Mapping[str, Check]) -> list[str]:
    answers = await asyncio.gather(*(_ask(check) for check in checks.values()))
    return [f"{name}: {fault}" for name, fault in zip(checks, answers, strict=True) if fault is not None]


async def _ask(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_PART_SECONDS):
            return await check()
    except (Unavailable, OSError) as error:
        return str(error) or "is away"
    except TimeoutError:
        return "does not answer"
