"""Public pages, kept for a moment: the same bytes for every caller, dropped when their service writes."""

from collections import OrderedDict
from time import monotonic

from moocflix.platform.http import headers as head
from moocflix.platform.http.endpoint import Endpoint
from moocflix.platform.http.reply import Answer

Asked = tuple[str, bytes]
"""Path and query, as they came."""


class Page(Answer):
    """An answer with all that serving it again needs, so that nobody looks for its route."""

    __slots__ = ("endpoint", "heads")

    def __init__(self, answer: Answer, endpoint: Endpoint, *, secure: bool) -> None:
        """`answer` is what `endpoint` said; `secure` as for the headers."""
        super().__init__(answer.body, status=answer.status, headers=answer.headers)
        self.endpoint = endpoint
        self.heads = [head.complete(answer.headers, signed_in=signed_in, secure=secure) for signed_in in (False, True)]


class ByteCache:
    """Pages by what was asked for."""

    def __init__(self, *, seconds: float, pages: int = 2000) -> None:
        """A page is kept for `seconds` at most (0: not at all), and `pages` of them."""
        self._seconds = seconds
        self._pages = pages
        self._held: OrderedDict[Asked, tuple[float, Page]] = OrderedDict()
        self._writes: dict[str, int] = {}

    def get(self, asked: Asked) -> Page | None:
        """The kept page, where it is fresh."""
        found = self._held.get(asked)
        if found is None:
            return None
        if found[0] < monotonic():
            del self._held[asked]
            return None
        return found[1]

    def writes(self, service: str) -> int:
        """How often the service's pages were dropped: what was read before a drop must not be kept after it."""
        return self._writes.get(service, 0)

    def keep(self, asked: Asked, page: Page, *, writes: int) -> None:
        """Keep a page that was begun when `writes` was its service's count."""
        if self._seconds <= 0 or writes != self.writes(page.endpoint.context.name):
            return
        self._held[asked] = (monotonic() + self._seconds, page)
        if len(self._held) > self._pages:
            self._held.popitem(last=False)

    def drop(self, service: str) -> None:
        """Forget all pages of a service, which has just written."""
        self._writes[service] = self.writes(service) + 1
        for asked in [asked for asked, (_, page) in self._held.items() if page.endpoint.context.name == service]:
            del self._held[asked]
