"""Signing in, and how often one may be wrong."""

import asyncio
from datetime import timedelta
from typing import Any

import argon2
import httpx
import pytest

from moocflix.platform import clock
from moocflix.platform.auth.passwords import PasswordHasher
from moocflix.platform.database.transaction import Tx
from moocflix.services.users.credential.model import Attempt, Attempts, LoginName
from moocflix.services.users.credential.sql import count_attempt, forgive_attempts
from moocflix.services.users.settings import UsersSettings
from tests.factories.platform import PASSWORD, Person, TestPlatform, data_of
from tests.users.conftest import LOGIN, PROFILE, SIGNUP, UPDATE, refusal


@pytest.fixture
async def ada(platform: TestPlatform) -> Person:
    return await platform.person(name="Ada")


def login(email: str, password: str = PASSWORD) -> dict[str, str]:
    return {"email": email, "password": password}


@pytest.mark.parametrize("path", [LOGIN, "/api/auth/user/login"])
async def test_it_takes_address_and_password_on_both_paths(platform: TestPlatform, ada: Person, path: str) -> None:
    data = data_of(await platform.http.post(path, json=login(ada.email.upper())))
    assert set(data) == {"userId", "token", "refreshToken", "expiresIn", "message"}
    assert (data["userId"], data["message"]) == (str(ada.id), "Login successful")
    headers = {"authorization": f"Bearer {data['token']}"}
    assert data_of(await platform.http.get(PROFILE, headers=headers))["email"] == ada.email


async def test_it_takes_a_phone_number_too(platform: TestPlatform) -> None:
    body = {"name": "Ada", "email": "ada@example.org", "password": PASSWORD, "phone": "+4930123456"}
    user_id = data_of(await platform.http.post(SIGNUP, json=body))["userId"]
    data = data_of(await platform.http.post(LOGIN, json={"phone": "+49 (30) 123456", "password": PASSWORD}))
    assert data["userId"] == user_id


async def test_unknown_names_and_wrong_passwords_are_refused_alike(platform: TestPlatform, ada: Person) -> None:
    bodies = [
        login(ada.email, "wrong password"),
        login("nobody@example.org"),
        login("no address"),
        login(""),
        {"phone": "+4930999999", "password": PASSWORD},
    ]
    refusals = [refusal(await platform.http.post(LOGIN, json=body)) for body in bodies]
    assert refusals == [(401, "Name or password is wrong.", [])] * 5


async def test_unknown_names_and_wrong_passwords_take_one_computation_each(platform: TestPlatform, ada: Person) -> None:
    hasher = platform.context("users").part(PasswordHasher)
    for body in (login(ada.email, "wrong password"), login("nobody@example.org"), login(ada.email)):
        before = hasher.computations
        await platform.http.post(LOGIN, json=body)
        assert hasher.computations - before == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "email"),
        ({"email": "ada@example.org"}, "password"),
        ({"password": PASSWORD}, "email"),
        ({"email": "ada@example.org", "phone": "+4930123456", "password": PASSWORD}, "email"),
        ({"email": 7, "password": PASSWORD}, "email"),
        ({"email": "ada@example.org", "password": "x" * 2000}, "password"),
        ({"provider": "google", "providerUserId": "7", "accessToken": "x"}, "provider"),
    ],
)
async def test_it_names_the_field_that_it_refuses(platform: TestPlatform, body: dict[str, Any], field: str) -> None:
    assert refusal(await platform.http.post(LOGIN, json=body))[::2] == (400, [field])


async def test_a_provider_that_is_not_set_up_is_named(platform: TestPlatform) -> None:
    body = {"provider": "google", "providerUserId": "7", "accessToken": "x"}
    _, message, _ = refusal(await platform.http.post(LOGIN, json=body))
    assert message == "Signing in with google is not set up here."


async def test_the_eleventh_wrong_password_has_to_wait(platform: TestPlatform, ada: Person) -> None:
    for _ in range(10):
        assert (await platform.http.post(LOGIN, json=login(ada.email, "wrong password"))).status_code == 401
    response = await platform.http.post(LOGIN, json=login(ada.email))
    assert response.status_code == 429
    assert 290 < int(response.headers["retry-after"]) <= 301
    clock.turn(timedelta(minutes=5, seconds=1))
    assert (await platform.http.post(LOGIN, json=login(ada.email))).status_code == 200


async def test_an_account_that_is_not_there_has_to_wait_alike(platform: TestPlatform, ada: Person) -> None:
    answers = []
    for email in (ada.email, "nobody@example.org"):
        responses = [await platform.http.post(LOGIN, json=login(email, "wrong password")) for _ in range(12)]
        answers.append([(response.status_code, response.json()["error"]["message"]) for response in responses])
    assert answers[0] == answers[1]


async def test_a_hundred_wrong_passwords_at_once_gain_nothing(platform: TestPlatform, ada: Person) -> None:
    hasher = platform.context("users").part(PasswordHasher)
    before = hasher.computations
    attempts = (platform.http.post(LOGIN, json=login(ada.email, f"wrong {number}")) for number in range(100))
    statuses = [response.status_code for response in await asyncio.gather(*attempts)]
    assert (statuses.count(401), statuses.count(429)) == (10, 90)
    assert hasher.computations - before == 10


async def test_the_right_password_forgives_the_wrong_ones(platform: TestPlatform, ada: Person) -> None:
    for _ in range(3):
        for _ in range(9):
            await platform.http.post(LOGIN, json=login(ada.email, "wrong password"))
        assert (await platform.http.post(LOGIN, json=login(ada.email))).status_code == 200


async def test_one_who_is_wrong_keeps_nobody_else_from_signing_in(platform: TestPlatform, ada: Person) -> None:
    eve = await platform.person(name="Eve")
    for _ in range(11):
        await platform.http.post(LOGIN, json=login(ada.email, "wrong password"))
    assert (await platform.http.post(LOGIN, json=login(eve.email))).status_code == 200


@pytest.mark.usefixtures("hashes_as_shipped")
async def test_a_hash_of_weaker_parameters_is_replaced(platform: TestPlatform, ada: Person) -> None:
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    database = platform.database("users")
    async with database.transaction() as tx:
        await tx.execute("UPDATE users SET password_hash = $2 WHERE id = $1", ada.id, weak)
    assert (await platform.http.post(LOGIN, json=login(ada.email))).status_code == 200
    kept = await database.reader.fetchval("SELECT password_hash FROM users WHERE id = $1", ada.id)
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await platform.http.post(LOGIN, json=login(ada.email))).status_code == 200


async def test_a_login_that_meets_a_change_of_the_password_leaves_no_session(
    platform: TestPlatform, ada: Person
) -> None:
    """Whoever comes first: the old password opens nothing that outlives the change."""
    change = {"password": "another good password", "currentPassword": PASSWORD}
    await asyncio.gather(*(platform.http.post(LOGIN, json=login(ada.email)) for _ in range(8)), ada.put(UPDATE, change))
    count = "SELECT count(*) FROM sessions WHERE user_id = $1 AND ended_at IS NULL"
    assert await platform.database("users").reader.fetchval(count, ada.id) == 1


async def test_who_tries_on_and_on_from_one_address_keeps_the_owner_out_nowhere_else(
    platform: TestPlatform, ada: Person
) -> None:
    statuses = await try_from("203.0.113.7", platform, ada, times=150)
    assert (statuses.count(401), statuses.count(429)) == (10, 140)
    assert (await platform.http.post(LOGIN, json=login(ada.email))).status_code == 200


async def test_the_addresses_of_one_ipv6_line_are_one(platform: TestPlatform, ada: Person) -> None:
    statuses = [(await try_from(f"2001:db8::{n:x}", platform, ada, times=1))[0] for n in range(1, 13)]
    assert statuses == [401] * 10 + [429] * 2
    assert await try_from("2001:db8:0:1::1", platform, ada, times=1) == [401]
    assert (await platform.http.post(LOGIN, json=login(ada.email))).status_code == 200


async def test_ten_addresses_use_up_the_tries_from_all(platform: TestPlatform, ada: Person) -> None:
    for number in range(10):
        assert set(await try_from(f"203.0.113.{number}", platform, ada, times=10)) == {401}
    assert (await platform.http.post(LOGIN, json=login(ada.email))).status_code == 429


async def try_from(address: str, platform: TestPlatform, person: Person, *, times: int) -> list[int]:
    """What wrong passwords from there are answered."""
    transport = httpx.ASGITransport(platform.runtime.public, client=(address, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://platform") as http:
        tries = [http.post(LOGIN, json=login(person.email, "wrong password")) for _ in range(times)]
        return [response.status_code for response in await asyncio.gather(*tries)]


@pytest.mark.parametrize("change", [count_attempt, forgive_attempts])
async def test_the_row_of_the_address_is_locked_before_the_one_of_all(platform: TestPlatform, change: Any) -> None:
    """Whichever key is the lower."""
    name, now = LoginName(email_key="ada@example.org"), clock.utc_now()
    for number in range(8):
        attempt = Attempt.on(name, address=f"203.0.113.{number}", attempts=Attempts.of(UsersSettings()), now=now)
        here, anywhere = attempt.keys
        async with platform.database("users").transaction() as tx:
            await count_attempt(tx, attempt=attempt)
        async with platform.database("users").transaction() as tx:
            await tx.execute("SELECT FROM login_attempts WHERE key = $1 FOR UPDATE", anywhere)
            changing = asyncio.create_task(in_transaction_of_its_own(platform, change, attempt))
            await somebody_waits_for(tx)
            free = await tx.fetchrow("SELECT FROM login_attempts WHERE key = $1 FOR UPDATE SKIP LOCKED", here)
        await changing
        assert free is None


async def in_transaction_of_its_own(platform: TestPlatform, change: Any, attempt: Attempt) -> None:
    async with platform.database("users").transaction() as tx:
        await change(tx, attempt=attempt)


async def somebody_waits_for(tx: Tx) -> None:
    """Return once another transaction waits for what this one holds."""
    async with asyncio.timeout(30):
        while not await tx.fetchval(
            # Not pg_stat_activity: a transaction sees no connections there that came after its first look.
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        ):
            await asyncio.sleep(0.01)


async def test_wrong_passwords_from_everywhere_have_to_wait_too(platform: TestPlatform, ada: Person) -> None:
    async with platform.database("users").transaction() as tx:
        name = LoginName(email_key=ada.email)
        await tx.execute("INSERT INTO login_attempts VALUES ($1, 100, $2)", name.digest(), clock.utc_now())
    assert (await platform.http.post(LOGIN, json=login(ada.email))).status_code == 429


async def test_when_too_many_sign_in_at_once_the_rest_is_told_to_come_again(platform: TestPlatform) -> None:
    context = platform.context("users")
    shipped, small = context.part(PasswordHasher), PasswordHasher(memory_kib=19_456, passes=2, threads=1, queue=4)
    context.keep(small)
    crowd = [platform.http.post(LOGIN, json=login(f"nobody{number}@example.org")) for number in range(30)]
    responses = await asyncio.gather(*crowd)
    context.keep(shipped)
    small.close()
    assert {response.status_code for response in responses} == {401, 503}
    turned_away = next(response for response in responses if response.status_code == 503)
    assert turned_away.headers["retry-after"] == "3"


async def test_an_account_without_a_password_cannot_be_signed_in_to_with_one(
    platform: TestPlatform, ada: Person
) -> None:
    async with platform.database("users").transaction() as tx:
        await tx.execute("UPDATE users SET password_hash = NULL WHERE id = $1", ada.id)
    assert refusal(await platform.http.post(LOGIN, json=login(ada.email)))[0] == 401
