"""Tokens ended before they expired: rows of users, a copy in every service, a set in every process.

Asking costs no round trip. What is new comes within two seconds by asking users, at once where a broadcast says that
there is something to ask for. While users is away the copies serve, and the process says that it is degraded.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog

from moocflix.platform.auth import copies
from moocflix.platform.auth.published import REVOCATIONS_PAGE, Revocation, RevocationList
from moocflix.platform.clock import utc_now
from moocflix.platform.database.transaction import Database
from moocflix.platform.errors import Refusal
from moocflix.platform.failures import HINDERED, describe

_FORGET_EVERY = timedelta(minutes=5)

_log = structlog.get_logger()


class RevocationSource(Protocol):
    """Where new revocations come from."""

    async def after(self, number: int) -> RevocationList:
        """Those with a higher number. Raises Unavailable."""


class Revocations:
    """The revocations that this process knows, kept for the services that it serves."""

    def __init__(self, source: RevocationSource, *, databases: Sequence[Database] = ()) -> None:
        """`databases` are those of the services served here; each keeps a copy for a start without users."""
        self.degraded = False
        self._source = source
        self._databases = databases
        self._sessions: dict[UUID, datetime] = {}
        self._users: dict[UUID, tuple[int, datetime]] = {}
        self._last = 0
        self._unsaved: list[Revocation] = []
        self._forget_at = utc_now()
        self._polling = asyncio.Lock()

    def is_revoked(self, *, session_id: UUID, user_id: UUID, generation: int) -> bool:
        """Whether a token of this session and generation no longer counts."""
        if session_id in self._sessions:
            return True
        ended = self._users.get(user_id)
        return ended is not None and generation <= ended[0]

    async def load(self) -> None:
        """Take over the services' copies, then ask users for what is newer. To be done before the process is ready."""
        for database in self._databases:
            # All of them count as unsaved, so that each copy gets what only another one had.
            self._apply(await copies.revocations(database.reader))
        await self.poll()

    async def poll(self) -> bool:
        """Ask users for new revocations; False, and `degraded`, where that was not possible."""
        async with self._polling:
            try:
                await self._fetch()
                await self._save()
                self._forget_expired()
            except (Refusal, *HINDERED) as error:
                if not self.degraded:
                    _log.warning("revocations_degraded", reason=describe(error))
                self.degraded = True
                return False
            if self.degraded:
                _log.info("revocations_fresh_again")
            self.degraded = False
            return True

    async def _fetch(self) -> None:
        while True:
            news = await self._source.after(self._last)
            if news.last < self._last:
                # Users was restored from a backup and hands the same numbers out again.
                self._last = 0
                continue
            self._apply(news.revocations)
            if len(news.revocations) < REVOCATIONS_PAGE:
                return

    def _apply(self, revocations: Iterable[Revocation]) -> None:
        for revocation in revocations:
            self._last = max(self._last, revocation.number)
            self._unsaved.append(revocation)
            if revocation.session_id is not None:
                self._sessions[revocation.session_id] = revocation.expires_at
            if revocation.user_id is not None and revocation.generation is not None:
                known = self._users.get(revocation.user_id)
                if known is None or known[0] < revocation.generation:
                    self._users[revocation.user_id] = (revocation.generation, revocation.expires_at)

    async def _save(self) -> None:
        if not self._unsaved:
            return
        for database in self._databases:
            async with database.transaction() as tx:
                await copies.save_revocations(tx, self._unsaved)
        self._unsaved = []

    def _forget_expired(self) -> None:
        """Here alone: the copies' rows are pruned like all others."""
        now = utc_now()
        if now < self._forget_at:
            return
        self._forget_at = now + _FORGET_EVERY
        self._sessions = {id: expires_at for id, expires_at in self._sessions.items() if expires_at > now}
        self._users = {id: ended for id, ended in self._users.items() if ended[1] > now}
