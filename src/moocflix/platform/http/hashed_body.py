"""A streamed body on its way to its handler, hashed as it passes: what it says, not how it was wrapped up.

Clients make up a new boundary whenever they send a form, also the same one again. So a form's hash is of the names and
contents of its parts; any other body's is of its bytes.
"""

import hashlib
from typing import Any, Protocol

from litestar.types import Receive
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from moocflix.platform.errors import Invalid

WRAPPING_BYTES = 64 * 1024
"""More than what a form wraps its contents up in: boundaries and the heads of parts."""


class _Hash(Protocol):
    size: int

    def update(self, chunk: bytes) -> None: ...
    def digest(self) -> bytes: ...


class HashedBody:
    """The messages of a body. Of its bytes no more is held than the one that comes through."""

    __slots__ = ("_hash", "_read_bytes", "_receive", "ended")

    def __init__(self, receive: Receive, *, content_type: str | None) -> None:
        """The messages come from `receive`."""
        self._receive = receive
        self._hash = _hash_for(content_type or "")
        self._read_bytes = 0
        self.ended = False

    async def __call__(self) -> Any:
        """The next message."""
        message: Any = await self._receive()
        if message["type"] == "http.request":
            chunk = message.get("body", b"")
            self._read_bytes += len(chunk)
            self._hash.update(chunk)
            self.ended = not message.get("more_body", False)
        return message

    @property
    def size(self) -> int:
        """How many bytes have been read, of a form those of its parts' contents."""
        return self._hash.size

    def digest(self) -> bytes:
        """The hash of what has been read."""
        return self._hash.digest()

    async def ends_within(self, most_bytes: int) -> bool:
        """Read on to the end; False as soon as that is more than so many bytes. Raises Invalid."""
        while not self.ended and self._read_bytes <= most_bytes:
            if (await self())["type"] != "http.request":
                raise Invalid("The body ended before it was whole.", field="body")
        return self.ended


class _BytesHash:
    def __init__(self) -> None:
        self.size = 0
        self._bytes = hashlib.sha256()

    def update(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._bytes.update(chunk)

    def digest(self) -> bytes:
        return self._bytes.digest()


class _FormHash:
    def __init__(self, parser: PushMultipartParser) -> None:
        self.size = 0
        self._parser = parser
        # Hashes of names and contents alone, all of one length: no part can look like the end of another.
        self._parts = hashlib.sha256()
        self._part = hashlib.sha256()

    def update(self, chunk: bytes) -> None:
        try:
            for event in self._parser.parse(chunk) if chunk else ():
                self._take(event)
        except MultipartError:
            # No form: its handler will say so. It must not look like one that broke off here.
            self._parts.update(chunk)

    def digest(self) -> bytes:
        return self._parts.digest()

    def _take(self, event: Any) -> None:
        if isinstance(event, MultipartSegment):
            self._parts.update(hashlib.sha256(event.name.encode()).digest())
            self._part = hashlib.sha256()
        elif event is None:
            self._parts.update(self._part.digest())
        else:
            self.size += len(event)
            self._part.update(event)


def _hash_for(content_type: str) -> _Hash:
    kind, options = parse_options_header(content_type)
    try:
        if kind == "multipart/form-data":
            return _FormHash(PushMultipartParser(options.get("boundary", "")))
    except MultipartError:
        # A form without a boundary: its handler will say so.
        return _BytesHash()
    return _BytesHash()
