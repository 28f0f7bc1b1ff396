"""The request's body: read once, bounded, and checked for what no field may hold."""

import re

from moocflix.platform.errors import Invalid, TooLarge, UnsupportedMedia
from moocflix.platform.http.call import Call

_LENGTH = re.compile(r"[0-9]{1,18}")
_JSON = ("application/json", "application/x-json")


async def read_body(call: Call, *, limit: int, seconds: float) -> None:
    """Read the body into the call, unless the handler streams it: that one may take long, if only it goes on.

    `seconds` is how long nothing may come, and half of how long the whole may take. Raises TooLarge, BodyTooSlow,
    UnsupportedMedia, Invalid.
    """
    announced = announced_bytes(call)
    streams = call.route.writes == "stream"
    if call.incoming is not None:
        call.incoming.bound(silence=seconds, total=None if streams else 2 * seconds)
    if call.method in {"GET", "HEAD"}:
        return
    if (call.header(b"content-encoding") or "identity").lower() != "identity":
        raise BodyEncoded
    if streams:
        return
    if announced is not None and announced > limit:
        raise BodyTooLarge(limit)
    call.body = await _read(call, limit)
    if call.route.decoder is not None:
        _check_json(call)


def announced_bytes(call: Call) -> int | None:
    """The body's size by `Content-Length`; None where it was not announced. Raises Invalid."""
    value = call.header(b"content-length")
    if value is None:
        return None
    if _LENGTH.fullmatch(value) is None:
        raise Invalid("Content-Length must be a number of bytes.", field="Content-Length")
    return int(value)


class BodyTooLarge(TooLarge):
    """The body has more bytes than are taken here."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than {limit} bytes.")


class BodyEncoded(UnsupportedMedia):
    """The body is compressed, or encoded in another way."""

    def __init__(self) -> None:
        super().__init__("The body must be sent as it is, without Content-Encoding.")

    def headers(self) -> dict[str, str]:
        """What would be taken, as RFC 9110 asks (section 15.5.16)."""
        return {"accept-encoding": "identity"}


async def _read(call: Call, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await call.receive()
        if message["type"] != "http.request":
            raise Invalid("The body ended before it was whole.", field="body")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _check_json(call: Call) -> None:
    if not call.body:
        if not call.route.body_optional:
            raise Invalid("A JSON body is needed.", field="body")
        call.body = b"null"
        return
    kind = (call.header(b"content-type") or "").partition(";")[0].strip().lower()
    if kind not in _JSON and not kind.endswith("+json"):
        raise UnsupportedMedia("The body must be JSON: Content-Type application/json.")
    # PostgreSQL's text cannot hold it, in no field.
    if b"\\u0000" in call.body.replace(b"\\\\", b"") or b"\x00" in call.body:
        raise Invalid("The body holds a NUL character.", field="body")
