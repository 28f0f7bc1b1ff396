"""What keeps a process's idea of good tokens fresh: keys and revocations, at the start and for as long as it runs."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import structlog

from moocflix.platform.auth import copies
from moocflix.platform.auth.keys import PublishedKey
from moocflix.platform.auth.published import JsonWebKey, JsonWebKeySet, RevocationList
from moocflix.platform.auth.revocations import Revocations
from moocflix.platform.auth.tokens import TokenVerifier
from moocflix.platform.database.transaction import Database
from moocflix.platform.errors import Refusal
from moocflix.platform.failures import HINDERED, describe
from moocflix.platform.waiting import wait_at_most

_log = structlog.get_logger()

_KEYS_EVERY = 30


class _Client(Protocol):
    async def get(self, path: str, *, reply: type[Any], query: Mapping[str, Any] | None = None) -> Any: ...


class UsersService:
    """The users service as the source of keys and revocations, asked over its internal routes."""

    def __init__(self, client: _Client) -> None:
        """`client` is the internal client for users."""
        self._client = client

    async def fetch(self) -> list[PublishedKey]:
        """The keys whose tokens count."""
        found: JsonWebKeySet = await self._client.get("/internal/signing-keys", reply=JsonWebKeySet)
        return [PublishedKey.from_jwk(key) for key in found.keys]

    async def after(self, number: int) -> RevocationList:
        """The revocations with a higher number."""
        found: RevocationList = await self._client.get(
            "/internal/revocations", reply=RevocationList, query={"after": number}
        )
        return found


class TokenWatch:
    """Verifier and revocations of one process, kept fresh together.

    `start` before the process is ready, `run` beside it, `nudge` where a broadcast says that there is news.
    """

    def __init__(self, source: UsersService, *, databases: Sequence[Database], seconds: float = 2.0) -> None:
        """`databases` are those of the services served here; users is asked every `seconds`."""
        self.revocations = Revocations(source, databases=databases)
        self.verifier = TokenVerifier(source, self.revocations)
        self._databases = databases
        self._seconds = seconds
        self._saved: list[JsonWebKey] = []
        self._news = asyncio.Event()

    @property
    def degraded(self) -> bool:
        """Whether users is away, so that news of ended sessions does not come."""
        return self.revocations.degraded

    async def fault(self) -> str | None:
        """The same for `/health/ready`."""
        return "not fresh" if self.degraded else None

    async def keys_missing(self) -> str | None:
        """That no token can be told from a forged one yet: at a first start, before users answers."""
        return None if self.verifier.has_keys else "not at hand"

    async def start(self) -> None:
        """Load keys and revocations: from users, and where it is away from the services' copies."""
        if not await self._fresh_keys() and not self.verifier.has_keys:
            await self._held_keys()
        await self.revocations.load()

    def nudge(self) -> None:
        """Say that there is news at users."""
        self._news.set()

    async def run(self) -> None:
        """Ask for news for ever; cancel it to end it. The keys are asked for at every thirtieth time."""
        for turn in itertools.count(1):
            await wait_at_most(self._seconds, self._news)
            self._news.clear()
            await self.revocations.poll()
            if turn % _KEYS_EVERY == 0 or not self.verifier.has_keys:
                await self._fresh_keys()

    async def _fresh_keys(self) -> bool:
        try:
            await self.verifier.refresh_keys(at_once=True)
            await self._save_keys()
        except (Refusal, *HINDERED) as error:
            _log.warning("token_keys_not_fetched", reason=describe(error))
            return False
        return True

    async def _save_keys(self) -> None:
        published = [key.to_jwk() for key in self.verifier.published()]
        if published == self._saved:
            return
        for database in self._databases:
            async with database.transaction() as tx:
                await copies.save_keys(tx, published)
        self._saved = published

    async def _held_keys(self) -> None:
        for database in self._databases:
            held = await copies.keys(database.reader)
            if held:
                self.verifier.use_keys([PublishedKey.from_jwk(key) for key in held])
                return
