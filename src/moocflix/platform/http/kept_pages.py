"""Public pages, kept for a moment: the same bytes for every caller, dropped when their service writes."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Generator
from hashlib import blake2b
from time import monotonic
from typing import Any, NamedTuple, Protocol

import msgspec

from moocflix.platform.cache.valkey import Valkey
from moocflix.platform.http import headers as head
from moocflix.platform.http.endpoint import Endpoint
from moocflix.platform.http.reply import Answer, Headers

Asked = tuple[str, bytes]
"""Path and query, as they came."""

Mark = bytes | int | None
"""What tells a page that was begun before a drop from one begun after it; None: it is not to be kept."""

_OK = 200


class Page(Answer):
    """An answer with all that serving it again needs, so that nobody looks for its route."""

    __slots__ = ("endpoint", "heads")

    def __init__(self, answer: Answer, endpoint: Endpoint, *, secure: bool) -> None:
        """`answer` is what `endpoint` said; `secure` as for the headers."""
        super().__init__(answer.body, status=answer.status, headers=answer.headers)
        self.endpoint = endpoint
        self.heads = [head.complete(answer.headers, signed_in=signed_in, secure=secure) for signed_in in (False, True)]


class Found(NamedTuple):
    """The kept answer, where there is one, and the mark under which a new one may be kept."""

    answer: Answer | None
    mark: Mark


class Pages(Protocol):
    """Answers with status 200 by what was asked for."""

    def at_hand(self, asked: Asked) -> Page | None:
        """The kept page where it is in this process's memory, for which no route need be looked for."""

    def look(self, service: str, asked: Asked) -> Awaitable[Found]:
        """The kept page, and the mark; asked for at once, so that other work may go on meanwhile, or not need it."""

    def keep(self, asked: Asked, page: Page, *, mark: Mark) -> None:
        """Keep a page that was begun when `mark` was said."""

    def drop(self, service: str) -> None:
        """Forget all pages of a service, which has just written."""

    async def dropped(self) -> None:
        """Returns when nobody is answered any more with a page that this process has dropped."""


class MemoryPages:
    """The pages of one process."""

    def __init__(self, *, seconds: float, pages: int = 2000) -> None:
        """A page is kept for `seconds` at most (0: not at all), and `pages` of them."""
        self._seconds = seconds
        self._pages = pages
        self._held: OrderedDict[Asked, tuple[float, Page]] = OrderedDict()
        self._drops: dict[str, int] = {}

    def at_hand(self, asked: Asked) -> Page | None:
        """The kept page, where it is fresh."""
        found = self._held.get(asked)
        if found is None:
            return None
        if found[0] < monotonic():
            del self._held[asked]
            return None
        return found[1]

    def look(self, service: str, asked: Asked) -> Awaitable[Found]:
        """The kept page, and how often the service's pages were dropped."""
        found: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        found.set_result(Found(self.at_hand(asked), self._drops.get(service, 0)))
        return found

    def keep(self, asked: Asked, page: Page, *, mark: Mark) -> None:
        """Keep a page that was begun when `mark` was its service's count."""
        if self._seconds <= 0 or mark != self._drops.get(page.endpoint.context.name, 0):
            return
        self._held[asked] = (monotonic() + self._seconds, page)
        if len(self._held) > self._pages:
            self._held.popitem(last=False)

    def drop(self, service: str) -> None:
        """Forget all pages of a service."""
        self._drops[service] = self._drops.get(service, 0) + 1
        for asked in [asked for asked, (_, page) in self._held.items() if page.endpoint.context.name == service]:
            del self._held[asked]

    async def dropped(self) -> None:
        """They are gone at once."""


_Stored = tuple[Headers, bytes]
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)


class SharedPages:
    """The pages of all processes, in one server; while it is away none is kept, and each is made anew.

    A page's key holds its service's mark, which changes with each drop: one that was begun before is never found.
    """

    def __init__(self, valkey: Valkey, *, seconds: float) -> None:
        """A page is kept for `seconds` at most."""
        self._valkey = valkey
        self._milliseconds = str(max(1, round(seconds * 1000))).encode()
        self._dropping: asyncio.Future[object] | None = None

    def at_hand(self, asked: Asked) -> Page | None:
        """Nothing is kept here."""

    def look(self, service: str, asked: Asked) -> Awaitable[Found]:
        """Ask the server."""
        return _Looking(self._valkey.ask("look", _name(service), _digest(asked)))

    def keep(self, asked: Asked, page: Page, *, mark: Mark) -> None:
        """Nobody waits for it."""
        if isinstance(mark, bytes):
            name = b":".join((_name(page.endpoint.context.name), mark, _digest(asked)))
            _ = self._valkey.ask("keep", name, self._milliseconds, _encoder.encode((page.headers, page.body)))

    def drop(self, service: str) -> None:
        """Change the service's mark."""
        self._dropping = self._valkey.ask("drop", _name(service))

    async def dropped(self) -> None:
        """What is asked for is done in its order: the last stands for all."""
        if self._dropping is not None:
            await self._dropping


class _Looking:
    """What the server says, read once somebody waits for it; unlike a coroutine's, nobody has to."""

    def __init__(self, said: "asyncio.Future[object]") -> None:
        self._said = said

    def __await__(self) -> Generator[Any, None, Found]:
        match (yield from self._said.__await__()):
            case [bytes() as mark, bytes() as stored]:
                headers, body = _decoder.decode(stored)
                return Found(Answer(body, status=_OK, headers=headers), mark)
            case [bytes() as mark, None]:
                return Found(None, mark)
        return Found(None, None)


def open_pages(valkey: Valkey | None, *, seconds: float) -> Pages:
    """The pages of a process, which may share a server with others; 0 `seconds`: none."""
    return MemoryPages(seconds=seconds) if valkey is None or seconds <= 0 else SharedPages(valkey, seconds=seconds)


def _name(service: str) -> bytes:
    return b"moocflix:pages:1:" + service.encode()


def _digest(asked: Asked) -> bytes:
    path, query = asked
    return blake2b(b"?".join((path.encode(), query)), digest_size=16).hexdigest().encode()
