"""What the stores' library raises, in the platform's own names."""

from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError

from moocflix.platform.storage.port import ObjectMissing, StorageAway


@contextmanager
def named(key: str) -> Iterator[None]:
    """Say ObjectMissing where nothing is stored under `key`, and StorageAway for every other fault of a store."""
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing(key) from error
    except BaseError as error:
        raise StorageAway from error
