"""Stored files for whoever holds a signed URL, where storage is a local folder; S3 serves its own.

The platform hands out no such URL yet: from a folder it serves videos by playback tokens, or to who is signed in.
"""

from collections.abc import AsyncIterator
from pathlib import Path

from moocflix.platform.auth.access import HOLDER
from moocflix.platform.http.form import FileTooLarge
from moocflix.platform.http.objects import object_reply
from moocflix.platform.http.reply import Answer, bytes_reply
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import get, put
from moocflix.platform.storage.content_types import UNKNOWN
from moocflix.platform.storage.local import LocalStorage
from moocflix.platform.storage.port import KeyRefused, SignedMethod
from moocflix.platform.storage.settings import StorageSettings
from moocflix.services.content.file.model import UrlRefused

_PATH = "/api/v1/files/{signature:str}/{key:path}"
_ANY_FILE = {UNKNOWN: {"type": "string", "format": "binary"}}


@get(
    _PATH,
    who=HOLDER,
    rate="media",
    summary="Read a stored file",
    refusals=(403, 404, 416),
    sends={200: ["*/*"], 206: ["*/*"]},
)
async def read_file(request: Request, signature: str, key: Path) -> Answer:
    """The file, with byte ranges."""
    name = _granted(request, signature, key, "GET")
    return await object_reply(request, name, cache_control="private, max-age=60")


@put(
    _PATH,
    who=HOLDER,
    rate="media",
    writes="stream",
    summary="Store a file",
    refusals=(403, 413),
    takes=_ANY_FILE,
    sends={200: ["text/plain"]},
)
async def write_file(request: Request, signature: str, key: Path) -> Answer:
    """The body is the file; its Content-Type is kept."""
    name = _granted(request, signature, key, "PUT")
    limit = request.context.settings.of(StorageSettings).put_limit
    content_type = request.call.header(b"content-type") or UNKNOWN
    await request.context.storage.put(name, _bounded(request.stream(), limit), content_type=content_type)
    stored = await request.context.storage.head(name)
    return bytes_reply(b"", media_type="text/plain", headers={"etag": stored.etag})


def _granted(request: Request, signature: str, key: Path, method: SignedMethod) -> str:
    storage, name = request.context.storage, str(key).lstrip("/")
    if not isinstance(storage, LocalStorage):
        raise UrlRefused
    try:
        granted = storage.grants(signature, method=method, key=name, now=request.now)
    except KeyRefused:
        granted = False
    if not granted:
        raise UrlRefused
    return name


async def _bounded(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise FileTooLarge(limit)
        yield chunk


routes = (read_file, write_file)
