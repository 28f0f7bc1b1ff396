"""What a process remembers for a moment, so as not to ask again."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)
V = TypeVar("V")

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


class Remembered(Generic[V]):
    """One thing that is loaded anew every so often, however many ask for it; its subclasses say what."""

    def __init__(self, load: Callable[[], Awaitable[V]], *, seconds: float) -> None:
        """`load` finds the thing as it is now."""
        self._load = load
        self._seconds = seconds
        self._held: tuple[V, float] | None = None
        self._loading: asyncio.Task[V] | None = None

    async def get(self) -> V:
        """The thing. To be asked for before a transaction opens: it may take a connection of its own."""
        if self._held is not None and monotonic() < self._held[1]:
            return self._held[0]
        # All who ask meanwhile get what comes of it, a failure too; one who goes away takes it from nobody.
        self._loading = self._loading or asyncio.create_task(self._renew())
        return await asyncio.shield(self._loading)

    async def _renew(self) -> V:
        try:
            value = await self._load()
        finally:
            self._loading = None
        self._held = value, monotonic() + self._seconds
        return value

    def forget(self) -> None:
        """Load it for the next who asks: it was changed."""
        self._held = None
