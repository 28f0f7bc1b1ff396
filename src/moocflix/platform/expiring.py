"""What a process remembers for a moment, so as not to ask again."""

from collections import OrderedDict
from collections.abc import Hashable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

_MOST = 10_000


class ExpiringSet(Generic[T]):
    """Things that count for some seconds; the oldest are forgotten where there are too many."""

    def __init__(self, *, seconds: float) -> None:
        """Each thing counts for so many `seconds`."""
        self._seconds = seconds
        self._until: OrderedDict[T, float] = OrderedDict()

    def __contains__(self, thing: T) -> bool:
        """Whether it was added a moment ago."""
        return self._until.get(thing, 0.0) > monotonic()

    def add(self, thing: T) -> None:
        """Remember it, from now on."""
        self._until[thing] = monotonic() + self._seconds
        self._until.move_to_end(thing)
        if len(self._until) > _MOST:
            self._until.popitem(last=False)
