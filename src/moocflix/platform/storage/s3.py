"""Files in a bucket of any S3 compatible server."""

import asyncio
import secrets
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.store import S3Store

from moocflix.platform.storage.content_types import UNKNOWN
from moocflix.platform.storage.failures import named
from moocflix.platform.storage.pieces import read_pieces
from moocflix.platform.storage.port import (
    ListedObject,
    SignedMethod,
    StorageAway,
    StoredObject,
    checked_key,
    checked_prefix,
)

if TYPE_CHECKING:
    from obstore.store import S3Config

_READ_BYTES = 4 * 1024 * 1024
_LIST_PREFIX = "probes"


class S3Storage:
    """A bucket. Readers are sent to presigned URLs unless the settings keep them here."""

    def __init__(
        self,
        bucket: str,
        *,
        endpoint: str,
        region: str,
        access_key: str,
        secret_key: str,
        hands_out_urls: bool = True,
    ) -> None:
        """An empty `endpoint` is Amazon's own of the region; without keys the bucket must be open to us."""
        self.hands_out_urls = hands_out_urls
        self._bucket = bucket
        self._store = S3Store(
            bucket,
            config=_config(endpoint, region, access_key, secret_key),
            client_options={"allow_http": endpoint.startswith("http://"), "timeout": "30s", "connect_timeout": "3s"},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)},
        )

    async def put(self, key: str, chunks: AsyncIterable[bytes], *, content_type: str) -> None:
        """Store a file, in parts; see the port."""
        with named(key):
            await obstore.put_async(
                self._store, checked_key(key), chunks, attributes={"Content-Type": content_type}, max_concurrency=2
            )

    async def head(self, key: str) -> StoredObject:
        """What is stored; see the port."""
        with named(key):
            # Asked as a get without a body: a plain head leaves out the media type.
            result = await obstore.get_async(self._store, checked_key(key), options={"head": True})
        return StoredObject(
            key=key,
            size=result.meta["size"],
            etag=result.meta["e_tag"] or "",
            content_type=result.attributes.get("Content-Type", UNKNOWN),
            modified=result.meta["last_modified"],
        )

    async def read(self, stored: StoredObject, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes; see the port."""
        async for piece in read_pieces(self._store, stored, start=start, end=end, piece_bytes=_READ_BYTES):
            yield piece

    async def list(self, prefix: str) -> AsyncIterator[ListedObject]:
        """Files by prefix; see the port."""
        async for listed in self._list(checked_prefix(prefix)):
            yield listed

    async def list_all(self) -> AsyncIterator[ListedObject]:
        """All files; see the port."""
        async for listed in self._list(None):
            yield listed

    async def _list(self, below: str | None) -> AsyncIterator[ListedObject]:
        with named(below or ""):
            async for page in obstore.list(self._store, below):
                for meta in page:
                    yield ListedObject(key=meta["path"], size=meta["size"], modified=meta["last_modified"])

    async def delete_prefix(self, prefix: str) -> None:
        """Remove files by prefix, a page at a time; see the port.

        Parts of an upload that was killed are invisible here: the bucket's own lifecycle rule removes them.
        """
        below = checked_prefix(prefix)
        with named(prefix):
            async for page in obstore.list(self._store, below):
                await obstore.delete_async(self._store, [meta["path"] for meta in page])

    async def signed_url(self, key: str, *, method: SignedMethod, seconds: int) -> str:
        """A presigned URL; see the port."""
        return await obstore.sign_async(self._store, method, checked_key(key), timedelta(seconds=seconds))

    @asynccontextmanager
    async def local_copy(self, key: str, *, folder: Path) -> AsyncIterator[Path]:
        """A copy in `folder`, removed after; see the port."""
        stored = await self.head(key)
        path = folder / f"copy-{secrets.token_hex(8)}"
        try:
            with await asyncio.to_thread(path.open, "wb") as file:
                async for piece in self.read(stored):
                    await asyncio.to_thread(file.write, piece)
            yield path
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    def disk(self, folder: Path) -> Path:
        """That of the copy; see the port."""
        return folder

    async def fault(self) -> str | None:
        """Whether the bucket answers; see the port."""
        try:
            async for _ in self.list(f"{_LIST_PREFIX}/"):
                break
        except StorageAway as error:
            return f"the bucket {self._bucket} does not answer: {str(error.__cause__).splitlines()[0]}"
        return None


def _config(endpoint: str, region: str, access_key: str, secret_key: str) -> "S3Config":
    config: S3Config = {"region": region}
    if endpoint:
        config["endpoint"] = endpoint
    if access_key:
        return {**config, "access_key_id": access_key, "secret_access_key": secret_key}
    return {**config, "skip_signature": True}
