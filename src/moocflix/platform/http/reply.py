"""Answers: the envelope, encoded at once, and the few bare answers beside it.

Money is `Decimal` in a struct and a JSON number outside; times are aware and end in `Z`.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Generic, Literal, TypeVar

import msgspec

from moocflix.platform.clock import utc_now
from moocflix.platform.errors import Detail, Refusal

T = TypeVar("T")

Header = tuple[bytes, bytes]
Headers = list[Header]

NOT_KEPT = {"cache-control": "no-store"}
"""Headers of an answer that nobody may keep, as one with tokens in it (RFC 6749, section 5.1), or one that shows more
than the entity's version tells of: it is never called unchanged, and its `etag` is for `If-Match` alone."""

_JSON_TYPE = (b"content-type", b"application/json")
_encoder = msgspec.json.Encoder(decimal_format="number")
_second: list[Any] = [None, b""]


class Body(msgspec.Struct, kw_only=True, rename="camel"):
    """The base of request and answer bodies: snake_case here, camelCase outside."""


class Envelope(msgspec.Struct, Generic[T]):
    """What every answer is wrapped in."""

    status: Literal["success"]
    data: T
    timestamp: datetime


class ErrorBody(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    """What went wrong; `errorCode` is the HTTP status."""

    error_code: int
    message: str
    details: list[Detail] | None = None


class ErrorEnvelope(msgspec.Struct):
    """What every refusal is wrapped in."""

    status: Literal["error"]
    data: None
    error: ErrorBody
    timestamp: datetime


class Answer:
    """An encoded answer."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, body: bytes, *, status: int, headers: Headers) -> None:
        """`headers` come without a content length."""
        self.body = body
        self.status = status
        self.headers = headers


class Reply(Answer, Generic[T]):
    """An answer whose envelope holds a `T`; the type argument is what the OpenAPI description shows."""

    __slots__ = ()


class StreamAnswer(Answer):
    """An answer whose body comes in pieces; it is sent as it comes, after the transaction's commit."""

    __slots__ = ("chunks",)

    def __init__(self, chunks: AsyncIterator[bytes], *, status: int, headers: Headers) -> None:
        """`headers` must hold the content length where it is known."""
        super().__init__(b"", status=status, headers=headers)
        self.chunks = chunks


def reply(
    data: Any, *, status: int = 200, etag: int | None = None, headers: Mapping[str, str] | None = None
) -> Reply[Any]:
    """The envelope around `data`; `etag` is the entity's version."""
    body = b'{"status":"success","data":%b,"timestamp":"%b"}' % (_encoder.encode(data), _stamp())
    return Reply(body, status=status, headers=_head(_JSON_TYPE, etag, headers))


def bytes_reply(body: bytes, *, media_type: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """A bare answer."""
    return Answer(body, status=status, headers=_head((b"content-type", media_type.encode()), None, headers))


def json_reply(data: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """A bare answer in JSON, without the envelope."""
    return Answer(_encoder.encode(data), status=status, headers=_head(_JSON_TYPE, None, headers))


def stream_reply(
    chunks: AsyncIterator[bytes], *, media_type: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> StreamAnswer:
    """A bare answer whose body comes in pieces."""
    return StreamAnswer(chunks, status=status, headers=_head((b"content-type", media_type.encode()), None, headers))


def error_answer(refusal: Refusal) -> Answer:
    """The envelope of a refusal."""
    return _error(refusal.status, refusal.message, refusal.details, refusal.headers())


def fault_answer() -> Answer:
    """The envelope of a fault of our own; the log knows more."""
    return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side.", (), {})


def _stamp() -> bytes:
    """The present second, RFC 3339; formatted once for all answers within it."""
    now = utc_now().replace(microsecond=0)
    if now != _second[0]:
        _second[:] = [now, f"{now:%Y-%m-%dT%H:%M:%SZ}".encode()]
    stamp: bytes = _second[1]
    return stamp


def _error(status: int, message: str, details: tuple[Detail, ...], headers: Mapping[str, str]) -> Answer:
    body = ErrorBody(error_code=int(status), message=message, details=list(details) or None)
    envelope = ErrorEnvelope(status="error", data=None, error=body, timestamp=utc_now().replace(microsecond=0))
    return Answer(_encoder.encode(envelope), status=int(status), headers=_head(_JSON_TYPE, None, headers))


def _head(content_type: tuple[bytes, bytes], etag: int | None, headers: Mapping[str, str] | None) -> Headers:
    head = [content_type]
    if etag is not None:
        head.append((b"etag", b'"%d"' % etag))
    if headers:
        head.extend((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items())
    return head
