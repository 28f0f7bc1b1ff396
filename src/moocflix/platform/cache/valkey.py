"""The limiter that processes share: the same algorithm as one script in Valkey or Redis, by the server's clock.

Where the server does not answer, each process counts for itself at once, and asks beside the requests whether it is
back: no request waits for a server that is known to be away.
"""

import asyncio
import contextlib
import importlib
from hashlib import blake2b
from typing import Any

import structlog

from moocflix.platform.cache.limiter import SLACK, Limiter, Verdict, verdict_of

_log = structlog.get_logger()

# Returns how many seconds of allowance the key has used up with this request; one too many leaves no trace.
_HIT = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local window, step, slack = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local ahead = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + step - now
if ahead <= window + slack then
    redis.call('SET', KEYS[1], string.format('%.17g', now + ahead), 'PX', math.ceil(ahead * 1000))
end
return string.format('%.17g', ahead)
"""

_PREFIX = "moocflix:limit:"
_ANSWER_SECONDS = 0.25
_ASK_EVERY = 0.5
# As fast as more of them, since one process's time is the limit; and a crowd at the start opens them in half the time.
_CONNECTIONS = 8


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
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=_ANSWER_SECONDS,
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
            retry=retry.Retry(backoff.NoBackoff(), 0),
        )
        self._client: Any = redis.Redis.from_pool(pool)
        self._hit = self._client.register_script(_HIT)
        self._faults: tuple[type[Exception], ...] = (redis.RedisError, OSError, TimeoutError)
        self._instead = instead
        self._asking: asyncio.Task[None] | None = None

    async def hit(self, key: str, *, limit: int, window: float) -> Verdict:
        """Count one request of `key`; `limit` are allowed in `window` seconds."""
        if self._asking is not None:
            return await self._instead.hit(key, limit=limit, window=window)
        step = window / limit
        try:
            ahead = await self._hit(keys=[_name(key)], args=[window, step, step * SLACK])
        except self._faults as error:
            self._lose(error)
            return await self._instead.hit(key, limit=limit, window=window)
        return verdict_of(float(ahead), limit=limit, window=window)

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
        if self._asking is not None:
            self._asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._asking
        await self._client.aclose()

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


def _name(key: str) -> str:
    # A key may hold a playback token, which is nobody's business there.
    return _PREFIX + blake2b(key.encode(), digest_size=16).hexdigest()
