"""What a process remembers so as not to ask again: recent refusals, and where renditions are stored."""

from collections import OrderedDict
from time import monotonic
from uuid import UUID

_NO_SECONDS = 5.0
_KEPT = 10_000


class RecentNoes:
    """Remembers for a few seconds that somebody is not enrolled, so that one who keeps asking is asked about once."""

    def __init__(self) -> None:
        """Nothing is remembered at first."""
        self._until: dict[tuple[UUID, UUID], float] = {}

    def add(self, *, user_id: UUID, course_id: UUID) -> None:
        """Remember a no."""
        if len(self._until) >= _KEPT:
            self._until.clear()
        self._until[user_id, course_id] = monotonic() + _NO_SECONDS

    def has(self, *, user_id: UUID, course_id: UUID) -> bool:
        """Whether the answer was no a moment ago."""
        return self._until.get((user_id, course_id), 0.0) > monotonic()


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
