"""What a process remembers so as not to ask again: where renditions are stored."""

from collections import OrderedDict
from uuid import UUID

_KEPT = 10_000


class KnownPrefixes:
    """Where sets of renditions are stored; that never changes, so a player's segments cost no look-up each."""

    def __init__(self) -> None:
        """The ones used last are kept."""
        self._kept: OrderedDict[UUID, str] = OrderedDict()

    def get(self, request_id: UUID) -> str | None:
        """The prefix, where it is known."""
        prefix = self._kept.get(request_id)
        if prefix is not None:
            self._kept.move_to_end(request_id)
        return prefix

    def keep(self, request_id: UUID, prefix: str) -> None:
        """Remember a prefix."""
        self._kept[request_id] = prefix
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
