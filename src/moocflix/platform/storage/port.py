"""The port: what the platform asks of a store of files, whatever keeps them.

Two implementations keep to it, a local folder and S3; one suite of tests holds for both.
"""

import re
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from moocflix.platform.errors import NotFound, Unavailable

SignedMethod = Literal["GET", "HEAD", "PUT"]

_KEY = re.compile(r"(?!\.)[A-Za-z0-9_.-]+(/(?!\.)[A-Za-z0-9_.-]+)*")
_LONGEST_KEY = 512


class ObjectMissing(NotFound):
    """Nothing is stored under this key."""

    def __init__(self, key: str) -> None:
        super().__init__("This file is not there.")
        self.key = key


class StorageAway(Unavailable):
    """The store cannot be reached, or took no more bytes."""

    def __init__(self) -> None:
        super().__init__("The file store does not answer or is full; try again later.", retry_after=10)


class KeyRefused(ValueError):
    """A key that could leave its folder, or that some store could not hold."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key!r} is no storage key.")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What is known of a stored file; `etag` is a strong validator, quoted."""

    key: str
    size: int
    etag: str
    content_type: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class ListedObject:
    """A file as a listing shows it."""

    key: str
    size: int
    modified: datetime


class Storage(Protocol):
    """A store of files under keys such as `videos/01…/source`."""

    hands_out_urls: bool
    """Whether readers are better sent to a signed URL than served through the platform."""

    async def put(self, key: str, chunks: AsyncIterable[bytes], *, content_type: str) -> None:
        """Store what `chunks` yields, a few megabytes of it in memory at a time.

        Nothing is visible before the end, or when `chunks` raises; an older file stays as it was until then.
        """

    async def head(self, key: str) -> StoredObject:
        """What is stored under the key. Raises ObjectMissing."""

    def read(self, stored: StoredObject, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, not including, `end` of what `head` found, in pieces.

        Raises ObjectMissing where it is gone since, StorageAway where another file has taken its place.
        """

    def list(self, prefix: str) -> AsyncIterator[ListedObject]:
        """Every file whose key starts with `prefix`, which ends with a slash."""

    def list_all(self) -> AsyncIterator[ListedObject]:
        """Every file that there is."""

    async def delete_prefix(self, prefix: str) -> None:
        """Remove every file whose key starts with `prefix`, which ends with a slash, half stored ones too."""

    async def signed_url(self, key: str, *, method: SignedMethod, seconds: int) -> str:
        """A URL that lets whoever holds it read, ask about or write this one key for so long, by this method."""

    def local_copy(self, key: str, *, folder: Path) -> AbstractAsyncContextManager[Path]:
        """The file as a path to read from, for as long as the block lasts; a copy goes into `folder` if need be."""

    def disk(self, folder: Path) -> Path:
        """Where on this machine a file takes room: the store's folder, or `folder` for the local copy."""

    async def fault(self) -> str | None:
        """Why the store cannot be used at present; None when it can."""


def checked_key(key: str) -> str:
    """The key itself. Raises KeyRefused where it might lead anywhere but into the store."""
    if len(key) > _LONGEST_KEY or _KEY.fullmatch(key) is None:
        raise KeyRefused(key)
    return key


def checked_prefix(prefix: str) -> str:
    """The prefix without its closing slash. Raises KeyRefused: an empty one would mean everything."""
    if not prefix.endswith("/"):
        raise KeyRefused(prefix)
    return checked_key(prefix[:-1])
