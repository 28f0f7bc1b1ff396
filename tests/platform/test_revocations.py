"""Ended sessions: seen by every process, after a restart too, and while users is away."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as some

from moocflix.platform import clock
from moocflix.platform.auth.keys import PublishedKey
from moocflix.platform.auth.published import REVOCATIONS_PAGE, JsonWebKey, JsonWebKeySet, Revocation, RevocationList
from moocflix.platform.auth.revocations import Revocations
from moocflix.platform.auth.watch import TokenWatch, UsersService
from moocflix.platform.errors import Unavailable
from moocflix.platform.ids import new_id
from tests.waiting import until

USER, SESSION = new_id(), new_id()
KEY = Ed25519PrivateKey.generate()


@dataclass
class Users:
    """Users, as far as revocations go."""

    issued: list[Revocation] = field(default_factory=list)
    asked_after: list[int] = field(default_factory=list)
    away: bool = False

    async def after(self, number: int) -> RevocationList:
        await asyncio.sleep(0)
        self.asked_after.append(number)
        if self.away:
            raise Unavailable
        news = [revocation for revocation in self.issued if revocation.number > number]
        return RevocationList(revocations=news[:REVOCATIONS_PAGE], last=len(self.issued))

    def end(
        self, *, session_id: UUID | None = None, user_id: UUID | None = None, generation: int | None = None
    ) -> None:
        self.issued.append(
            Revocation(
                number=len(self.issued) + 1,
                session_id=session_id,
                user_id=user_id,
                generation=generation,
                expires_at=clock.utc_now() + timedelta(days=1),
            )
        )


@pytest.fixture(autouse=True)
def real_time() -> Iterator[None]:
    yield
    clock.reset()


def revoked(known: Revocations, *, session_id: UUID = SESSION, user_id: UUID = USER, generation: int = 0) -> bool:
    return known.is_revoked(session_id=session_id, user_id=user_id, generation=generation)


async def test_an_ended_session_is_known_after_the_next_poll() -> None:
    users = Users()
    known = Revocations(users)
    await known.load()
    users.end(session_id=SESSION)
    assert not revoked(known)
    assert await known.poll()
    assert revoked(known)
    assert not revoked(known, session_id=new_id())


async def test_a_generation_ends_every_token_up_to_it() -> None:
    users = Users()
    users.end(user_id=USER, generation=3)
    known = Revocations(users)
    await known.load()
    assert [revoked(known, session_id=new_id(), generation=generation) for generation in (2, 3, 4)] == [
        True,
        True,
        False,
    ]
    assert not revoked(known, user_id=new_id(), generation=1)


@given(some.permutations(range(1, 8)))
async def test_the_highest_generation_counts_in_whatever_order_they_come(generations: list[int]) -> None:
    users = Users()
    for generation in generations:
        users.end(user_id=USER, generation=generation)
    known = Revocations(users)
    await known.load()
    assert revoked(known, generation=7)
    assert not revoked(known, generation=8)


async def test_it_asks_only_for_what_is_newer() -> None:
    users = Users()
    users.end(session_id=SESSION)
    known = Revocations(users)
    await known.load()
    await known.poll()
    assert users.asked_after == [0, 1]


async def test_it_takes_over_more_than_a_page() -> None:
    users = Users()
    sessions = [new_id() for _ in range(2 * REVOCATIONS_PAGE + 1)]
    for session_id in sessions:
        users.end(session_id=session_id)
    known = Revocations(users)
    await known.load()
    assert all(revoked(known, session_id=session_id) for session_id in sessions)


async def test_while_users_is_away_it_serves_what_it_knows_and_says_so() -> None:
    users = Users()
    users.end(session_id=SESSION)
    known = Revocations(users)
    await known.load()
    users.away = True
    assert not await known.poll()
    assert known.degraded
    assert revoked(known)
    users.away = False
    assert await known.poll()
    assert not known.degraded


class Hindered:
    """The database of a service, in which nothing can be written while there is an `error`."""

    def __init__(self, *, keys: Sequence[JsonWebKey] = ()) -> None:
        self.reader = self
        self.error: Exception | None = None
        self._keys = [{"kid": key.kid, "x": key.x} for key in keys]

    async def fetch(self, sql: str, *_args: Any) -> list[Any]:
        return self._keys if "keys" in sql else []

    async def execute(self, _sql: str, *_args: Any) -> int:
        if self.error is not None:
            raise self.error
        return 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Hindered"]:
        yield self


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.AdminShutdownError("terminating connection"),
        asyncpg.CrashShutdownError("terminating connection"),
        asyncpg.ConnectionDoesNotExistError("connection was closed"),
        asyncpg.DiskFullError("could not extend file"),
        asyncpg.QueryCanceledError("canceling statement"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_while_a_copy_cannot_be_written_it_goes_on_and_says_so(error: Exception) -> None:
    users, database = Users(), Hindered()
    watch = TokenWatch(UsersService(Client(users)), databases=[database], seconds=0.01)  # type: ignore[list-item]
    database.error = error
    await watch.start()
    async with at_work(watch):
        users.end(session_id=SESSION)
        await until(lambda: revoked(watch.revocations) and watch.degraded)
        database.error = None
        await until(lambda: not watch.degraded)


async def test_keys_that_users_has_told_of_are_not_replaced_by_a_copy_that_could_not_be_written() -> None:
    database = Hindered(keys=[PublishedKey.of(Ed25519PrivateKey.generate().public_key()).to_jwk()])
    watch = TokenWatch(UsersService(Client(Users())), databases=[database])  # type: ignore[list-item]
    database.error = asyncpg.DiskFullError("could not extend file")
    await watch.start()
    assert [key.kid for key in watch.verifier.published()] == [PublishedKey.of(KEY.public_key()).kid]


async def test_a_restored_users_service_is_read_from_its_start() -> None:
    users = Users()
    for _ in range(10):
        users.end(session_id=new_id())
    known = Revocations(users)
    await known.load()
    users.issued = users.issued[:2]
    users.end(session_id=SESSION)
    await known.poll()
    assert revoked(known)


async def test_what_has_expired_is_forgotten() -> None:
    users = Users()
    users.end(session_id=SESSION)
    users.end(user_id=USER, generation=1)
    known = Revocations(users)
    await known.load()
    clock.turn(timedelta(days=2))
    await known.poll()
    assert not revoked(known)


async def test_what_has_expired_is_left_to_the_pruning_of_the_copies() -> None:
    users, database = Users(), Hindered()
    users.end(session_id=SESSION)
    known = Revocations(users, databases=[database])  # type: ignore[list-item]
    await known.load()
    clock.turn(timedelta(days=2))
    database.error = AssertionError("written to")
    assert await known.poll()
    assert not revoked(known)


class Client:
    """An internal client of a users service that has one key, and tells of the revocations of `users`."""

    def __init__(self, users: Users) -> None:
        self.users = users

    async def get(self, path: str, *, reply: type[Any], query: Mapping[str, Any] | None = None) -> Any:
        if reply is JsonWebKeySet:
            assert path == "/internal/signing-keys"
            if self.users.away:
                raise Unavailable
            return JsonWebKeySet(keys=[PublishedKey.of(KEY.public_key()).to_jwk()])
        assert path == "/internal/revocations"
        return await self.users.after((query or {})["after"])


@asynccontextmanager
async def at_work(watch: TokenWatch) -> AsyncIterator[None]:
    """It watches, until the block ends: not before."""
    watching = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_a_broadcast_brings_the_news_long_before_the_next_poll() -> None:
    users = Users()
    watch = TokenWatch(UsersService(Client(users)), databases=[], seconds=60)
    await watch.start()
    async with at_work(watch):
        users.end(session_id=SESSION)
        watch.nudge()
        await until(lambda: revoked(watch.revocations))


async def test_without_a_broadcast_the_poll_brings_the_news() -> None:
    users = Users()
    watch = TokenWatch(UsersService(Client(users)), databases=[], seconds=0.01)
    await watch.start()
    async with at_work(watch):
        users.end(session_id=SESSION)
        await until(lambda: revoked(watch.revocations))


async def test_a_process_that_started_without_users_recovers() -> None:
    users = Users(away=True)
    watch = TokenWatch(UsersService(Client(users)), databases=[], seconds=0.01)
    await watch.start()
    assert (watch.degraded, watch.verifier.has_keys) == (True, False)
    assert await watch.keys_missing() == "not at hand"
    async with at_work(watch):
        users.away = False
        await until(lambda: watch.verifier.has_keys and not watch.degraded)
        assert await watch.keys_missing() is None
