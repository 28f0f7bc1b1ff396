"""Sessions: seeing them, ending them, and that everybody knows soon."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from moocflix.platform import clock, jobs, retention
from moocflix.platform.auth.tokens import TokenRefused
from moocflix.platform.auth.watch import TokenWatch, UsersService
from moocflix.platform.errors import Unavailable
from moocflix.platform.ids import new_id
from moocflix.services.users.jobs import forget_sessions
from tests.factories.platform import Person, TestPlatform, data_of
from tests.users.conftest import LOGOUT, PROFILE, REFRESH, SESSIONS, known_everywhere, refusal


class Away:
    """A client of a service that does not answer."""

    async def get(self, path: str, *, reply: type[Any], query: Mapping[str, Any] | None = None) -> Any:
        raise Unavailable(f"{path} {reply} {query}")


@pytest.fixture
async def ada(platform: TestPlatform) -> Person:
    return await platform.person(name="Ada")


def another_process(platform: TestPlatform, *, serves: str = "courses") -> TokenWatch:
    """What another process, one that serves `serves`, knows of tokens."""
    return TokenWatch(UsersService(platform.client("platform", "users")), databases=[platform.database(serves)])


async def session_ids(person: Person) -> list[str]:
    return [session["sessionId"] for session in data_of(await person.get(SESSIONS))["sessions"]]


async def test_it_lists_the_callers_open_sessions_the_newest_first(platform: TestPlatform, ada: Person) -> None:
    await platform.person(name="Eve")
    clock.turn(timedelta(minutes=1))
    body = {"email": ada.email, "password": "correct horse battery staple"}
    headers = {"user-agent": "A phone " + "x" * 500}
    data_of(await platform.http.post("/api/v1/users/login", json=body, headers=headers))
    newest, oldest = data_of(await ada.get(SESSIONS))["sessions"]
    assert (newest["current"], oldest["current"]) == (False, True)
    assert newest["userAgent"].startswith("A phone xxx")
    assert len(newest["userAgent"]) == 300
    assert newest["clientAddress"] == "127.0.0.1"
    assert newest["createdAt"] > oldest["createdAt"]


async def test_it_lists_them_page_by_page(platform: TestPlatform, ada: Person) -> None:
    for _ in range(6):
        await platform.sign_in(ada.email)
    page = data_of(await ada.get(SESSIONS, params={"limit": 3}))
    seen = list(page["sessions"])
    while page["nextCursor"] is not None:
        assert len(page["sessions"]) == 3
        page = data_of(await ada.get(SESSIONS, params={"limit": 3, "cursor": page["nextCursor"]}))
        seen += page["sessions"]
    assert len(seen) == 7
    assert [session["sessionId"] for session in seen] == await session_ids(ada)


@pytest.mark.parametrize("query", [{"limit": 101}, {"limit": 0}, {"cursor": "nonsense"}, {"limit": "x"}])
async def test_it_refuses_a_page_that_there_cannot_be(ada: Person, query: dict[str, str]) -> None:
    assert (await ada.get(SESSIONS, params=query)).status_code == 400


async def test_logging_out_ends_this_session_alone(platform: TestPlatform, ada: Person) -> None:
    elsewhere = await platform.sign_in(ada.email)
    assert data_of(await ada.post(LOGOUT)) == {"message": "Signed out"}
    await known_everywhere(platform)
    assert refusal(await ada.get(PROFILE))[:2] == (401, "The access token has been revoked.")
    assert (await platform.http.post(REFRESH, json={"refreshToken": ada.refresh_token})).status_code == 401
    assert (await elsewhere.get(PROFILE)).status_code == 200
    assert len(await session_ids(elsewhere)) == 1


async def test_logging_out_everywhere_ends_every_session(platform: TestPlatform, ada: Person) -> None:
    elsewhere, eve = await platform.sign_in(ada.email), await platform.person(name="Eve")
    assert data_of(await ada.post(LOGOUT, {"all": True})) == {"message": "Signed out everywhere"}
    await known_everywhere(platform)
    for person in (ada, elsewhere):
        assert (await person.get(PROFILE)).status_code == 401
        assert (await platform.http.post(REFRESH, json={"refreshToken": person.refresh_token})).status_code == 401
    assert (await eve.get(PROFILE)).status_code == 200
    again = await platform.sign_in(ada.email)
    assert (await again.get(PROFILE)).status_code == 200


async def test_logging_out_twice_is_no_fault(ada: Person) -> None:
    assert (await ada.post(LOGOUT)).status_code == 200
    assert (await ada.post(LOGOUT)).status_code == 200


async def test_one_of_ones_own_sessions_can_be_ended(platform: TestPlatform, ada: Person) -> None:
    elsewhere = await platform.sign_in(ada.email)
    (other,) = set(await session_ids(ada)) - set(await _current(ada))
    assert data_of(await ada.delete(f"{SESSIONS}/{other}")) == {"message": "Session ended"}
    await known_everywhere(platform)
    assert (await elsewhere.get(PROFILE)).status_code == 401
    assert (await ada.get(PROFILE)).status_code == 200
    assert (await ada.delete(f"{SESSIONS}/{other}")).status_code == 404


async def test_nobody_ends_somebody_elses_session(platform: TestPlatform, ada: Person) -> None:
    eve, admin = await platform.person(name="Eve"), await platform.person(role="admin")
    (session,) = await session_ids(ada)
    for person in (eve, admin):
        assert (await person.delete(f"{SESSIONS}/{session}")).status_code == 404
    assert (await platform.http.delete(f"{SESSIONS}/{session}")).status_code == 401
    assert (await ada.get(PROFILE)).status_code == 200
    assert (await ada.delete(f"{SESSIONS}/{new_id()}")).status_code == 404


async def test_another_process_knows_after_its_next_poll(platform: TestPlatform, ada: Person) -> None:
    other = another_process(platform)
    await other.start()
    assert other.verifier.verify(ada.token).id == ada.id
    await ada.post(LOGOUT)
    await other.revocations.poll()
    with pytest.raises(TokenRefused, match="revoked"):
        other.verifier.verify(ada.token)


async def test_a_process_that_starts_later_knows_too(platform: TestPlatform, ada: Person) -> None:
    await ada.post(LOGOUT)
    other = another_process(platform)
    await other.start()
    with pytest.raises(TokenRefused, match="revoked"):
        other.verifier.verify(ada.token)


async def test_a_process_that_starts_while_users_is_away_knows_what_its_service_kept(
    platform: TestPlatform, ada: Person
) -> None:
    eve = await platform.person(name="Eve")
    await ada.post(LOGOUT)
    await another_process(platform).start()
    alone = TokenWatch(UsersService(Away()), databases=[platform.database("courses")])
    await alone.start()
    assert alone.degraded
    assert alone.verifier.verify(eve.token).id == eve.id
    with pytest.raises(TokenRefused, match="revoked"):
        alone.verifier.verify(ada.token)


async def test_each_served_service_keeps_what_only_another_one_had(platform: TestPlatform, ada: Person) -> None:
    await ada.post(LOGOUT)
    await another_process(platform, serves="courses").start()
    both = TokenWatch(UsersService(Away()), databases=[platform.database("courses"), platform.database("progress")])
    await both.start()
    fresh = TokenWatch(
        UsersService(platform.client("platform", "users")),
        databases=[platform.database("courses"), platform.database("progress")],
    )
    await fresh.start()
    alone = TokenWatch(UsersService(Away()), databases=[platform.database("progress")])
    await alone.start()
    with pytest.raises(TokenRefused, match="revoked"):
        alone.verifier.verify(ada.token)


async def test_expired_revocations_leave_the_copies(platform: TestPlatform, ada: Person) -> None:
    await ada.post(LOGOUT)
    await another_process(platform).start()
    count = "SELECT count(*) FROM revocations"
    assert await platform.database("courses").reader.fetchval(count) == 1
    async with platform.database("courses").transaction() as tx:
        await tx.execute("UPDATE revocations SET expires_at = expires_at - interval '28 hours'")
        await jobs.enqueue(tx, retention.PRUNE)
    await platform.settle()
    assert await platform.database("courses").reader.fetchval(count) == 0


async def test_numbers_of_revocations_have_no_gap_and_are_seen_in_order(platform: TestPlatform, ada: Person) -> None:
    """A transaction that stays open holds back the numbers after its own: nobody can pass over them."""
    database = platform.database("users")
    last = await database.reader.fetchval("SELECT coalesce(max(last), 0) FROM revocation_numbers")
    for _ in range(3):
        await (await platform.sign_in(ada.email)).post(LOGOUT)
    numbers = await database.reader.fetch("SELECT number FROM issued_revocations ORDER BY number")
    assert [row["number"] for row in numbers] == [last + 1, last + 2, last + 3]


async def test_what_is_long_over_is_forgotten(platform: TestPlatform, ada: Person) -> None:
    await platform.sign_in(ada.email)
    await ada.post(LOGOUT)
    await platform.http.post("/api/v1/users/login", json={"email": "nobody@example.org", "password": "wrong one"})
    clock.turn(timedelta(days=31))
    await forget_sessions(_Run(platform))  # type: ignore[arg-type]
    database = platform.database("users")
    for table, left in (("sessions", 1), ("refresh_tokens", 0), ("login_attempts", 0), ("issued_revocations", 0)):
        assert await database.reader.fetchval(f"SELECT count(*) FROM {table}") == left, table


class _Run:
    def __init__(self, platform: TestPlatform) -> None:
        self.context = platform.context("users")


async def _current(person: Person) -> list[str]:
    sessions = data_of(await person.get(SESSIONS))["sessions"]
    return [session["sessionId"] for session in sessions if session["current"]]
