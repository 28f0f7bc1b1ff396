"""What one service owns and others keep copies of, as they ask for it: one by its id, or all of them page by page."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from moocflix.platform.database.transaction import Tx
from moocflix.platform.events.envelope import Page, State
from moocflix.platform.service import Copy, ServiceContext

S = TypeVar("S", bound=State)
P = TypeVar("P", bound=Page)

_PAGE = 100


@dataclass(frozen=True, kw_only=True)
class Entity(Generic[S, P]):
    """A kind of thing, under the internal `path` of its `owner`, as `GET path/{id}` and `GET path?cursor=&limit=`."""

    owner: str
    path: str
    state: type[S]
    page: type[P]
    listed: Callable[[P], Sequence[S]]
    """The states of a page."""

    async def fetch(self, context: ServiceContext, entity_id: UUID) -> S | None:
        """One state; None where there is no such thing. Raises Unavailable."""
        return await context.http(self.owner).find(f"{self.path}/{entity_id}", reply=self.state)

    def copy(self, entity: str, *, table: str, upsert: Callable[[Tx, Any], Awaitable[None]]) -> Copy:
        """A copy that is filled from here just as it is told; `entity` is what CopyMissing calls it."""
        return Copy(entity=entity, owner=self.owner, table=table, fetch=self.fetch, upsert=upsert, pages=self.pages)

    async def pages(self, context: ServiceContext, cursor: str | None) -> tuple[Sequence[S], str | None]:
        """The next states in the order of their ids, and where the page after begins. Raises Unavailable."""
        query = {"cursor": cursor, "limit": _PAGE}
        page = await context.http(self.owner).get(self.path, reply=self.page, query=query)
        return self.listed(page), page.next_cursor
