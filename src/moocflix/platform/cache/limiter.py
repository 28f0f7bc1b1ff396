"""Rate limits: so many requests in a window, spread evenly (the generic cell rate algorithm).

Each key holds one moment, the time until which its allowance is used up; no counters, no buckets to refill.
"""

from time import monotonic
from typing import Protocol

import msgspec

SLACK = 0.001
"""The part of a request by which the sums of fractions may be off."""


class Verdict(msgspec.Struct, frozen=True):
    """Whether a request may go on; `remaining` more may follow at once, all of them again after `reset` seconds."""

    allowed: bool
    remaining: int
    reset: float
    retry_after: float


def verdict_of(ahead: float, *, limit: int, window: float) -> Verdict:
    """What it means that a key, this request counted, has used up its allowance for the next `ahead` seconds."""
    step = window / limit
    if ahead > window + step * SLACK:
        return Verdict(allowed=False, remaining=0, reset=ahead - step, retry_after=ahead - window)
    return Verdict(allowed=True, remaining=int((window - ahead) / step + SLACK), reset=ahead, retry_after=0.0)


class Limiter(Protocol):
    """Counts requests by key."""

    async def hit(self, key: str, *, limit: int, window: float) -> Verdict:
        """Count one request of `key`; `limit` are allowed in `window` seconds."""

    async def fault(self) -> str | None:
        """A word for what is wrong with it, or None."""

    async def close(self) -> None:
        """Let go of what it holds."""


class MemoryLimiter:
    """Counts in this process alone."""

    def __init__(self, *, keys: int = 100_000) -> None:
        """`keys` bounds how many callers are remembered; the oldest finished ones go first."""
        self._keys = keys
        self._used_until: dict[str, float] = {}

    async def hit(self, key: str, *, limit: int, window: float) -> Verdict:
        """Count one request of `key`; `limit` are allowed in `window` seconds."""
        now = monotonic()
        step = window / limit
        used_until = max(self._used_until.get(key, now), now) + step
        verdict = verdict_of(used_until - now, limit=limit, window=window)
        if verdict.allowed:
            if len(self._used_until) >= self._keys:
                self._forget(now)
            self._used_until[key] = used_until
        return verdict

    async def fault(self) -> str | None:
        """Nothing can be wrong with it."""
        return None

    async def close(self) -> None:
        """It holds nothing that would not go by itself."""

    def _forget(self, now: float) -> None:
        alive = {key: until for key, until in self._used_until.items() if until > now}
        # Still full of live ones: forget the half that is nearest to its end.
        if len(alive) >= self._keys:
            order = sorted(alive, key=alive.__getitem__)
            for key in order[: len(order) // 2]:
                del alive[key]
        self._used_until = alive
