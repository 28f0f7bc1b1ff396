"""What a service declares: the one description that processes, gateway, docs and tests need."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast
from uuid import UUID

from moocflix.platform.database.transaction import Database, Tx
from moocflix.platform.settings import Settings

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    # By name only: events stand above what a service is declared with.
    from moocflix.platform.client import InternalClient
    from moocflix.platform.events.envelope import Message, State, Topic
    from moocflix.platform.storage.port import Storage

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ServiceContext:
    """What the code of one service gets from the process that runs it."""

    name: str
    settings: Settings
    database: Database
    storage: "Storage"
    http: Callable[[str], "InternalClient"]
    """The internal client for another service, by name."""
    parts: dict[type, Any] = field(default_factory=dict)
    """What the service itself keeps for as long as the process lives, put there by its `setup`."""

    def keep(self, part: object) -> None:
        """Keep a part of the service, to be found by its type."""
        self.parts[type(part)] = part

    def part(self, kind: type[T]) -> T:
        """The part of this type that `setup` kept."""
        return cast("T", self.parts[kind])


class React(Protocol):
    """A reaction: one event, one operation, in one transaction with the inbox row."""

    async def __call__(self, tx: Tx, event: Any, message: "Message", /) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """What a service does on an event."""

    topic: "Topic[Any]"
    run: React


class JobRun(Protocol):
    """One run of a job."""

    context: ServiceContext
    payload: dict[str, Any]
    attempt: int

    async def progress(self, fraction: float) -> None:
        """Say how far it has come, 0..1; keeps the job's lease alive."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Work beside requests: enqueued in a transaction, or due `every` so often."""

    name: str
    run: Callable[[JobRun], Awaitable[None]]
    every: timedelta | None = None
    attempts: int = 5
    lease: timedelta = timedelta(seconds=60)
    """How long a silent worker keeps it; a heartbeat renews the lease while the job runs."""


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A local copy of another service's entity, filled from its owner and kept by events.

    `entity` is what CopyMissing calls it. One of something that happened "meanwhile" is a second look at a table that
    has a copy already: `fetch` raises the refusal where the owner still says no.
    """

    entity: str
    owner: str
    table: str
    fetch: "Callable[[ServiceContext, UUID], Awaitable[State | None]]"
    upsert: Callable[[Tx, Any], Awaitable[None]]
    """Applies a state only where its version is newer than the copy's."""
    pages: "Callable[[ServiceContext, str | None], Awaitable[tuple[Sequence[State], str | None]]] | None" = None


@dataclass(frozen=True, kw_only=True)
class PersonalTable:
    """A table with personal data: which rows are a person's, and what erasure does to them.

    `export` selects them by `$1`, the user's id; `erase` deletes or redacts them by the same. Nothing but tests runs
    either yet: users has no routes for export and erasure so far, and nobody becomes "erased".
    """

    table: str
    export: str
    erase: str | None


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service."""

    name: str
    summary: str
    migrations: Path
    routes: "tuple[HTTPRouteHandler, ...]"
    topics: "tuple[Topic[Any], ...]" = ()
    """What it publishes."""
    reactions: tuple[Reaction, ...] = ()
    jobs: tuple[Job, ...] = ()
    copies: tuple[Copy, ...] = ()
    intents: "tuple[Any, ...]" = ()
    personal_data: tuple[PersonalTable, ...] = ()
    setup: Callable[[ServiceContext], Awaitable[None]] | None = None
    """Run once in each process before it is ready."""
    rewindable: bool = True
    """Whether its reactions have no effects outside its database, so that its group may be rewound."""
