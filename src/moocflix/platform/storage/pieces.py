"""Reading a file piece by piece, each piece out of the very same file."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import obstore
from obstore.store import ObjectStore

from moocflix.platform.storage.failures import named
from moocflix.platform.storage.port import StoredObject

if TYPE_CHECKING:
    from obstore import GetOptions


async def read_pieces(
    store: ObjectStore, found: StoredObject, *, start: int, end: int | None, piece_bytes: int
) -> AsyncIterator[bytes]:
    """The bytes from `start` to `end` of the file that was `found`. Raises StorageAway where another took its place.

    Not as one stream: from a folder the library reads that in bits of 8 KB, a tenth as fast, and from S3 all of it
    has to come within one request's time limit, however slow the reader.
    """
    stop = found.size if end is None else min(end, found.size)
    for begin in range(start, stop, piece_bytes):
        options: GetOptions = {"range": (begin, min(begin + piece_bytes, stop)), "if_match": found.etag}
        with named(found.key):
            piece = bytes(await (await obstore.get_async(store, found.key, options=options)).bytes_async())
        yield piece
