"""Passwords: argon2id, in a few threads beside the event loop, behind a queue that does not grow without end."""

import asyncio
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from moocflix.platform.errors import Unavailable

T = TypeVar("T")


class PasswordsBusy(Unavailable):
    """More passwords wait to be hashed than are let wait."""

    def __init__(self) -> None:
        super().__init__("Too many people sign in at this moment; try again in a few seconds.", retry_after=3)


class Verdict(NamedTuple):
    """Whether a password is the right one; `rehashed` where its hash should be replaced by a stronger one."""

    good: bool
    rehashed: str | None = None


class PasswordHasher:
    """Hashes and verifies passwords.

    Each computation takes its share of memory (19 MiB by default) and some 20 ms of a core, so only `threads` run
    at once; at most `queue` more wait. `computations` counts them: every verification is exactly one, whether there
    is such a person or not.
    """

    def __init__(self, *, memory_kib: int, passes: int, threads: int = 0, queue: int = 256) -> None:
        """`threads` 0: half the cores, at least one, so that logins leave room for everything else."""
        self.computations = 0
        self._argon2 = argon2.PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._threads = threads or max(1, (os.cpu_count() or 1) // 2)
        self._most = self._threads + queue
        self._pending = 0
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="passwords")
        # What a password is compared with where there is nobody: nothing that a caller could know.
        self._nobody = self._argon2.hash(os.urandom(32))

    async def hash(self, password: str) -> str:
        """The password's hash, as it is stored. Raises PasswordsBusy."""
        return await self._run(lambda: self._argon2.hash(_normal(password)))

    async def verify(self, password: str, *, against: str | None) -> Verdict:
        """Whether the hash is this password's; None, for nobody's, takes as long and is wrong. Raises PasswordsBusy."""
        verdict = await self._run(lambda: self._verify(password, against or self._nobody))
        return verdict if against is not None else Verdict(good=False)

    def close(self) -> None:
        """Take no more; what runs is finished."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password: str, against: str) -> Verdict:
        try:
            self._argon2.verify(against, _normal(password))
        except (VerificationError, InvalidHashError):
            return Verdict(good=False)
        outdated = self._argon2.check_needs_rehash(against)
        return Verdict(good=True, rehashed=self._argon2.hash(_normal(password)) if outdated else None)

    async def _run(self, compute: Callable[[], T]) -> T:
        if self._pending >= self._most:
            raise PasswordsBusy
        self._pending += 1
        self.computations += 1
        computation = asyncio.get_running_loop().run_in_executor(self._pool, compute)
        computation.add_done_callback(self._done)
        return await computation

    def _done(self, _computation: object) -> None:
        self._pending -= 1


def _normal(password: str) -> bytes:
    """The same bytes for what looks the same on another keyboard (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password).encode()
