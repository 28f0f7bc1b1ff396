"""Files in a local folder: `objects/` holds them, `types/` the media types that their names do not tell."""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import obstore
from obstore.store import LocalStore

from moocflix.platform.clock import utc_now
from moocflix.platform.data_folder import own_folder
from moocflix.platform.storage import signatures
from moocflix.platform.storage.content_types import content_type_of
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

_READ_BYTES = 512 * 1024


class LocalStorage:
    """A folder of this machine. URLs to its files are signed by us and served under `/api/v1/files/`."""

    hands_out_urls = False

    def __init__(self, folder: Path, *, secret: bytes, public_url: str = "") -> None:
        """`secret` signs URLs; they start with `public_url`, or are relative to the host where it is empty."""
        self._folder = own_folder(folder)
        self._secret = secret
        self._public_url = public_url
        self._objects = LocalStore(prefix=folder / "objects", mkdir=True)
        self._types = LocalStore(prefix=folder / "types", mkdir=True)

    async def put(self, key: str, chunks: AsyncIterable[bytes], *, content_type: str) -> None:
        """Store a file; see the port."""
        checked_key(key)
        with named(key):
            if content_type == content_type_of(key):
                await self._forget_type(key)
            else:
                await obstore.put_async(self._types, key, content_type.encode())
            await obstore.put_async(self._objects, key, chunks, max_concurrency=1)

    async def head(self, key: str) -> StoredObject:
        """What is stored; see the port."""
        checked_key(key)
        with named(key):
            meta = await obstore.head_async(self._objects, key)
        return StoredObject(
            key=key,
            size=meta["size"],
            etag=meta["e_tag"] or "",
            content_type=_kept_type(self._folder / "types" / key) or content_type_of(key),
            modified=meta["last_modified"],
        )

    async def read(self, stored: StoredObject, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes; see the port."""
        async for piece in read_pieces(self._objects, stored, start=start, end=end, piece_bytes=_READ_BYTES):
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
        async for page in obstore.list(self._objects, below):
            for meta in page:
                yield ListedObject(key=meta["path"], size=meta["size"], modified=meta["last_modified"])

    async def delete_prefix(self, prefix: str) -> None:
        """Remove files by prefix; see the port. Folders go whole: what a killed upload left in them is not listed."""
        below = checked_prefix(prefix)
        for kind in ("objects", "types"):
            await asyncio.to_thread(_remove_folder, self._folder / kind / below)

    async def signed_url(self, key: str, *, method: SignedMethod, seconds: int) -> str:
        """A URL of ours; see the port. Whoever may read a file may also ask about it: that is one signature."""
        expires, granted = int(utc_now().timestamp()) + seconds, "GET" if method == "HEAD" else method
        signature = signatures.sign(self._secret, method=granted, key=checked_key(key), expires=expires)
        return f"{self._public_url}{signatures.FILES_PATH}/{signature}/{key}"

    def grants(self, signature: str, *, method: SignedMethod, key: str, now: datetime) -> bool:
        """Whether the signature of one of our URLs allows this."""
        return signatures.grants(self._secret, signature, method=method, key=checked_key(key), now=now)

    @asynccontextmanager
    async def local_copy(self, key: str, *, folder: Path) -> AsyncIterator[Path]:
        """The file itself, no copy; see the port."""
        del folder
        await self.head(key)
        yield self._folder / "objects" / key

    def disk(self, folder: Path) -> Path:
        """The store's own folder; see the port."""
        del folder
        return self._folder

    async def fault(self) -> str | None:
        """Whether a file can be written and removed; see the port."""
        probe = f"probes/{secrets.token_hex(8)}"
        try:
            with named(probe):
                await obstore.put_async(self._objects, probe, b"probe")
                await obstore.delete_async(self._objects, probe)
        except StorageAway as error:
            # Its first line says it; those below are for whoever mends the library.
            return f"the folder {self._folder} cannot be written: {str(error.__cause__).partition(chr(10))[0]}"
        return None

    async def _forget_type(self, key: str) -> None:
        try:
            await obstore.delete_async(self._types, key)
        except FileNotFoundError:
            return


def _kept_type(path: Path) -> str | None:
    # A few bytes of a local disk: read at once, a thread would cost more.
    try:
        return path.read_text()
    except OSError:
        return None


def _remove_folder(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        return
    except OSError as error:
        raise StorageAway from error
