"""The bytes of public pages, kept for a moment: the same for every caller, dropped when their service writes."""

from collections import OrderedDict
from time import monotonic

from moocflix.platform.http.reply import Answer


class ByteCache:
    """Whole answers by path and query."""

    def __init__(self, *, seconds: float, pages: int = 2000) -> None:
        """An answer is kept for `seconds` at most (0: not at all), and `pages` of them."""
        self._seconds = seconds
        self._pages = pages
        self._held: OrderedDict[str, tuple[float, str, Answer]] = OrderedDict()
        self._writes: dict[str, int] = {}

    def get(self, key: str) -> Answer | None:
        """The kept answer, where it is fresh."""
        found = self._held.get(key)
        if found is None:
            return None
        if found[0] < monotonic():
            del self._held[key]
            return None
        return found[2]

    def writes(self, service: str) -> int:
        """How often the service's pages were dropped: what was read before a drop must not be kept after it."""
        return self._writes.get(service, 0)

    def keep(self, key: str, answer: Answer, *, service: str, writes: int) -> None:
        """Keep an answer that was begun when `writes` was the service's count."""
        if self._seconds <= 0 or writes != self.writes(service):
            return
        self._held[key] = (monotonic() + self._seconds, service, answer)
        if len(self._held) > self._pages:
            self._held.popitem(last=False)

    def drop(self, service: str) -> None:
        """Forget all pages of a service, which has just written."""
        self._writes[service] = self.writes(service) + 1
        for key in [key for key, (_, owner, _) in self._held.items() if owner == service]:
            del self._held[key]
