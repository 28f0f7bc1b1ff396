"""Stored files as answers: whole, in part, or as a way to a signed URL."""

from moocflix.platform.http.reply import Answer, bytes_reply, stream_reply
from moocflix.platform.http.request import Request
from moocflix.platform.storage.port import SignedMethod
from moocflix.platform.storage.ranges import Conditions, part_of

# What is sent at once: a playlist, an init segment, a poster.
_SMALL_BYTES = 64 * 1024
_NEVER_KEPT = {"cache-control": "private, no-store"}


async def object_reply(
    request: Request,
    key: str,
    *,
    content_type: str | None = None,
    cache_control: str,
    url_seconds: int | None = None,
) -> Answer:
    """The file under this key, with byte ranges and validators (RFC 9110). Raises ObjectMissing, RangeUnsatisfiable.

    Where the store hands out URLs and `url_seconds` allows it, the reader is sent to one that counts for so long, and
    for the method asked: S3 signs that too.
    """
    storage = request.context.storage
    headers = {"cache-control": cache_control}
    if storage.hands_out_urls and url_seconds is not None:
        method: SignedMethod = "HEAD" if request.call.method == "HEAD" else "GET"
        location = await storage.signed_url(key, method=method, seconds=url_seconds)
        return bytes_reply(b"", media_type="text/plain", status=307, headers={"location": location, **_NEVER_KEPT})
    stored = await storage.head(key)
    part = part_of(stored, _conditions(request))
    media_type = content_type or stored.content_type
    headers |= part.headers
    if part.end - part.start > _SMALL_BYTES:
        chunks = storage.read(stored, start=part.start, end=part.end)
        return stream_reply(chunks, media_type=media_type, status=part.status, headers=headers)
    # That of a whole body is said with it.
    headers.pop("content-length", None)
    body = b"".join([piece async for piece in storage.read(stored, start=part.start, end=part.end)])
    return bytes_reply(body, media_type=media_type, status=part.status, headers=headers)


def _conditions(request: Request) -> Conditions:
    header = request.call.header
    return Conditions(
        # A range is for GET alone (RFC 9110, section 14.2).
        range=None if request.call.method == "HEAD" else header(b"range"),
        if_range=header(b"if-range"),
        if_none_match=header(b"if-none-match"),
    )
