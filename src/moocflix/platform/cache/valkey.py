"""What processes share in Valkey or Redis: counted requests and kept pages, asked for together.

It is the client library that costs, not the server: a process has one call under way, and what is asked meanwhile goes
together in the next. Nobody waits for a server that is known to be away: it is asked beside the requests whether it is
back.
"""

import asyncio
import contextlib
import importlib
from itertools import zip_longest
from typing import Any, NamedTuple

import structlog

from moocflix.platform.cache.settings import CacheSettings
from moocflix.platform.packages import INSTALL
from moocflix.platform.settings import Settings, SettingsError

_log = structlog.get_logger()

# Each key with what is to be done and up to three arguments:
# hit: window, step and slack; how many seconds of allowance are used up with it. One too many leaves no trace.
# look: a page's name; the mark of its service, and the page that is kept under it. keep: milliseconds, the page.
# drop: from now on the service has another mark. Times are the server's.
_DO = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local answers = {}
for n, key in ipairs(KEYS) do
    local what, first, second, third = ARGV[4 * n - 3], ARGV[4 * n - 2], ARGV[4 * n - 1], ARGV[4 * n]
    if what == 'hit' then
        local window, step, slack = tonumber(first), tonumber(second), tonumber(third)
        local used_until = tonumber(redis.call('GET', key) or now)
        -- Further ahead than can be: the clock was set back.
        if used_until > now + window + slack then used_until = now end
        local ahead = math.max(used_until, now) + step - now
        if ahead <= window + slack then
            redis.call('SET', key, string.format('%.17g', now + ahead), 'PX', math.ceil(ahead * 1000))
        end
        answers[n] = string.format('%.17g', ahead)
    elseif what == 'look' then
        local mark = redis.call('GET', key) or '0'
        answers[n] = {mark, redis.call('GET', key .. ':' .. mark .. ':' .. first)}
    elseif what == 'keep' then
        answers[n] = redis.call('SET', key, second, 'PX', first)
    else
        answers[n] = redis.call('SET', key, time[1] .. '.' .. time[2])
    end
end
return answers
"""

_ANSWER_SECONDS = 0.25
_ASK_EVERY = 0.5
# So many go together: a script holds up everybody else's.
_TOGETHER = 100


class ClientMissing(Exception):
    """The client library is not installed."""


class Valkey:
    """One server, as one process asks it."""

    def __init__(self, url: str) -> None:
        """Nothing is connected before it is asked. Raises ClientMissing, and ValueError for a URL of another kind."""
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
        self._do = self._client.register_script(_DO)
        self._faults: tuple[type[Exception], ...] = (redis.RedisError, OSError, TimeoutError)
        self._asking: asyncio.Task[None] | None = None
        self._waiting: list[_Question] = []
        self._sending: asyncio.Task[None] | None = None

    def ask(self, what: str, key: bytes, *arguments: bytes | float) -> "asyncio.Future[Any]":
        """The script's answer, or None where the server has given none; in the order in which it is asked."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._asking is not None:
            answer.set_result(None)
            return answer
        self._waiting.append(_Question(key, (what, *arguments, *("",) * (3 - len(arguments))), answer))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        return answer

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
        try:
            while self._waiting:
                questions, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
                answers: list[Any] = []
                try:
                    answers = await self._answers(questions)
                finally:
                    _tell(questions, answers)
        finally:
            self._sending = None
            _tell(self._waiting, [])
            self._waiting = []

    async def _answers(self, questions: "list[_Question]") -> list[Any]:
        """One for each; none at all where the server is away."""
        if self._asking is None:
            try:
                answers: list[Any] = await self._do(
                    keys=[each.key for each in questions], args=[part for each in questions for part in each.parts]
                )
            except self._faults as error:
                self._lose(error)
            else:
                return answers
        return []

    def _lose(self, error: Exception) -> None:
        if self._asking is None:
            _log.warning("cache.away", reason=str(error))
            self._asking = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        """Until the server answers again."""
        while True:
            await asyncio.sleep(_ASK_EVERY)
            try:
                await self._client.ping()
            except self._faults:
                continue
            _log.info("cache.back")
            self._asking = None
            return


def open_valkey(settings: Settings) -> Valkey | None:
    """The server that the settings name, or None where each process has its own. Raises SettingsError."""
    url = settings.of(CacheSettings).url
    if not url:
        return None
    try:
        return Valkey(url)
    except ClientMissing:
        raise SettingsError(f"Setting MOOCFLIX_CACHE_URL needs the Python package redis: {INSTALL}.") from None
    except ValueError as error:
        raise SettingsError(f"Setting MOOCFLIX_CACHE_URL cannot be used: {error}.") from None


class _Question(NamedTuple):
    key: bytes
    parts: tuple[bytes | str | float, ...]
    answer: "asyncio.Future[Any]"


def _tell(questions: list[_Question], answers: list[Any]) -> None:
    for question, answer in zip_longest(questions, answers):
        if not question.answer.done():
            question.answer.set_result(answer)
