"""The limiter that processes share: the same algorithm as one script in Valkey or Redis, by the server's clock.

Where the server does not answer, each process counts for itself at once, and asks beside the requests whether it is
back: no request waits for a server that is known to be away.
"""

import asyncio
import contextlib
import importlib
from hashlib import blake2b
from itertools import zip_longest
from typing import Any

import structlog

from moocflix.platform.cache.limiter import SLACK, Limiter, Verdict, verdict_of

_log = structlog.get_logger()

# Returns how many seconds of allowance each key has used up with its request; one too many leaves no trace.
_HITS = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local used = {}
for n, key in ipairs(KEYS) do
    local window, step, slack = tonumber(ARGV[3 * n - 2]), tonumber(ARGV[3 * n - 1]), tonumber(ARGV[3 * n])
    local ahead = math.max(tonumber(redis.call('GET', key) or now), now) + step - now
    if ahead <= window + slack then
        redis.call('SET', key, string.format('%.17g', now + ahead), 'PX', math.ceil(ahead * 1000))
    end
    used[n] = string.format('%.17g', ahead)
end
return used
"""

_PREFIX = "moocflix:limit:"
_ANSWER_SECONDS = 0.25
_ASK_EVERY = 0.5
# So many hits go together: a script holds up everybody else's.
_TOGETHER = 100


class ClientMissing(Exception):
    """The client library is not installed."""


class ValkeyLimiter:
    """Counts in one server for all processes; `instead` counts while it is away."""

    def __init__(self, url: str, *, instead: Limiter) -> None:
        """Nothing is connected before the first hit. Raises ClientMissing, and ValueError for a URL of another kind."""
        try:
            # Optional, and typed too loosely to help: known by name only.
            redis = importlib.import_module("redis.asyncio")
            retry, backoff = importlib.import_module("redis.asyncio.retry"), importlib.import_module("redis.backoff")
        except ImportError as error:
            raise ClientMissing from error
        self._client: Any = redis.Redis.from_url(
            url,
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
            retry=retry.Retry(backoff.NoBackoff(), 0),
        )
        self._hits = self._client.register_script(_HITS)
        self._faults: tuple[type[Exception], ...] = (redis.RedisError, OSError, TimeoutError)
        self._instead = instead
        self._asking: asyncio.Task[None] | None = None
        self._waiting: list[_Hit] = []
        self._sending: asyncio.Task[None] | None = None

    async def hit(self, key: str, *, limit: int, window: float) -> Verdict:
        """Count one request of `key`; `limit` are allowed in `window` seconds."""
        if self._asking is not None:
            return await self._instead.hit(key, limit=limit, window=window)
        hit = _Hit(_name(key), window=window, step=window / limit)
        self._waiting.append(hit)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        ahead = await hit.ahead
        if ahead is None:
            return await self._instead.hit(key, limit=limit, window=window)
        return verdict_of(ahead, limit=limit, window=window)

    async def fault(self) -> str | None:
        """Asks the server, where it is not known to be away."""
        if self._asking is None:
            try:
                await self._client.ping()
            except self._faults as error:
                self._lose(error)
        return None if self._asking is None else "away, each process counts for itself"

    async def close(self) -> None:
        """Let go of the connections."""
        for task in (self._asking, self._sending):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self._client.aclose()

    async def _send(self) -> None:
        """Ask for all that wait, and for those that come meanwhile together: it is the client library that costs."""
        try:
            while self._waiting:
                hits, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
                answers: list[bytes] = []
                try:
                    answers = await self._answers(hits)
                finally:
                    for hit, answer in zip_longest(hits, answers):
                        hit.answer(answer)
        finally:
            self._sending = None
            for hit in self._waiting:
                hit.answer(None)
            self._waiting = []

    async def _answers(self, hits: list["_Hit"]) -> list[bytes]:
        """One for each; none at all where the server is away."""
        if self._asking is None:
            try:
                answers: list[bytes] = await self._hits(
                    keys=[hit.name for hit in hits], args=[each for hit in hits for each in hit.args]
                )
            except self._faults as error:
                self._lose(error)
            else:
                return answers
        return []

    def _lose(self, error: Exception) -> None:
        if self._asking is None:
            _log.warning("rate_limits_apart", reason=str(error))
            self._asking = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        """Until the server answers again."""
        while True:
            await asyncio.sleep(_ASK_EVERY)
            try:
                await self._client.ping()
            except self._faults:
                continue
            _log.info("rate_limits_shared_again")
            self._asking = None
            return


class _Hit:
    """A request that waits to be counted."""

    __slots__ = ("ahead", "args", "name")

    def __init__(self, name: str, *, window: float, step: float) -> None:
        self.name = name
        self.args = (window, step, step * SLACK)
        self.ahead: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()

    def answer(self, ahead: bytes | None) -> None:
        """None where the server has given none."""
        if not self.ahead.done():
            self.ahead.set_result(None if ahead is None else float(ahead))


def _name(key: str) -> str:
    # A key may hold a playback token, which is nobody's business there.
    return _PREFIX + blake2b(key.encode(), digest_size=16).hexdigest()
