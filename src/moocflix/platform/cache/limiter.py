"""Rate limits: so many requests in a window, spread evenly (the generic cell rate algorithm).

Each key holds one moment, the time until which its allowance is used up; no counters, no buckets to refill.
"""

from hashlib import blake2b
from time import monotonic
from typing import Protocol

import msgspec

from moocflix.platform.cache.valkey import Valkey

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

    def _forget(self, now: float) -> None:
        alive = {key: until for key, until in self._used_until.items() if until > now}
        # Still full of live ones: forget the half that is nearest to its end.
        if len(alive) >= self._keys:
            order = sorted(alive, key=alive.__getitem__)
            for key in order[: len(order) // 2]:
                del alive[key]
        self._used_until = alive


class SharedLimiter:
    """Counts in one server for all processes, by its clock; `instead` counts while it is away."""

    def __init__(self, valkey: Valkey, *, instead: Limiter) -> None:
        self._valkey = valkey
        self._instead = instead

    async def hit(self, key: str, *, limit: int, window: float) -> Verdict:
        """Count one request of `key`; `limit` are allowed in `window` seconds."""
        step = window / limit
        ahead = await self._valkey.ask("hit", _name(key), window, step, step * SLACK)
        if ahead is None:
            return await self._instead.hit(key, limit=limit, window=window)
        return verdict_of(float(ahead), limit=limit, window=window)


def open_limiter(valkey: Valkey | None) -> Limiter:
    """The limiter of a process, which may share a server with others."""
    alone = MemoryLimiter()
    return alone if valkey is None else SharedLimiter(valkey, instead=alone)


def _name(key: str) -> bytes:
    # A key may hold a playback token, which is nobody's business there.
    return b"moocflix:limit:" + blake2b(key.encode(), digest_size=16).hexdigest().encode()
