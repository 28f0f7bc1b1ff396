"""Signing up."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from tests.factories.platform import PASSWORD, TestPlatform, data_of
from tests.users.conftest import LOGIN, PROFILE, SIGNUP, events, refusal

ADA = {"name": "Ada Lovelace", "email": "ada@example.org", "password": PASSWORD}


async def test_it_makes_an_account_and_signs_it_in(platform: TestPlatform) -> None:
    response = await platform.http.post(SIGNUP, json=ADA)
    assert response.status_code == 201
    data = response.json()["data"]
    assert set(data) == {"userId", "token", "refreshToken", "expiresIn", "message"}
    assert (data["expiresIn"], data["message"]) == (900, "User registered successfully")
    profile = data_of(await platform.http.get(PROFILE, headers={"authorization": f"Bearer {data['token']}"}))
    assert profile.pop("createdAt").endswith("Z")
    assert profile == {
        "userId": data["userId"],
        "username": "ada_lovelace",
        "email": "ada@example.org",
        "name": "Ada Lovelace",
        "avatarUrl": None,
        "role": "student",
        "phone": None,
        "emailVerified": False,
    }
    assert UUID(data["userId"]).version == 7


async def test_the_other_path_answers_with_200(platform: TestPlatform) -> None:
    body = {**ADA, "phone": "+49 30 123456", "avatarUrl": "https://example.org/ada.png"}
    response = await platform.http.post("/api/auth/user/register", json=body)
    assert response.status_code == 200
    headers = {"authorization": f"Bearer {response.json()['data']['token']}"}
    profile = data_of(await platform.http.get("/api/auth/user/profile", headers=headers))
    assert (profile["phone"], profile["avatarUrl"]) == ("+4930123456", "https://example.org/ada.png")


async def test_its_answer_is_kept_by_nobody(platform: TestPlatform) -> None:
    response = await platform.http.post(SIGNUP, json=ADA)
    assert "no-store" in response.headers["cache-control"]


async def test_an_instructor_may_sign_up_as_one(platform: TestPlatform) -> None:
    instructor = await platform.person(role="instructor")
    assert data_of(await instructor.get(PROFILE))["role"] == "instructor"


async def test_nobody_signs_up_as_an_admin(platform: TestPlatform) -> None:
    status, _, fields = refusal(await platform.http.post(SIGNUP, json={**ADA, "role": "admin"}))
    assert (status, fields) == (400, ["role"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "  "),
        ("name", 7),
        ("name", None),
        ("email", "ada"),
        ("email", ["ada@example.org"]),
        ("password", "short"),
        ("password", "password1"),
        ("password", "x" * 2000),
        ("phone", "12345"),
        ("avatarUrl", "javascript:alert(1)"),
        ("role", "owner"),
    ],
)
async def test_it_names_the_field_that_it_refuses(platform: TestPlatform, field: str, value: Any) -> None:
    status, message, fields = refusal(await platform.http.post(SIGNUP, json={**ADA, field: value}))
    assert (status, fields) == (400, [field])
    assert message


@pytest.mark.parametrize("field", ["name", "email", "password"])
async def test_it_needs_name_address_and_password(platform: TestPlatform, field: str) -> None:
    body = {name: value for name, value in ADA.items() if name != field}
    assert refusal(await platform.http.post(SIGNUP, json=body))[::2] == (400, [field])


@pytest.mark.parametrize("email", ["ada@example.org", "ADA@example.org", " ada@EXAMPLE.org "])
async def test_an_address_has_one_account_in_whatever_case(platform: TestPlatform, email: str) -> None:
    data_of(await platform.http.post(SIGNUP, json=ADA))
    response = await platform.http.post(SIGNUP, json={**ADA, "name": "Eve", "email": email})
    assert refusal(response) == (409, "There is an account with this e-mail address already.", ["email"])


async def test_a_phone_number_has_one_account(platform: TestPlatform) -> None:
    data_of(await platform.http.post(SIGNUP, json={**ADA, "phone": "+4930123456"}))
    response = await platform.http.post(SIGNUP, json={**ADA, "email": "eve@example.org", "phone": "+49 30 123 456"})
    assert refusal(response)[::2] == (409, ["phone"])


async def test_it_tells_the_others_but_never_address_or_number(platform: TestPlatform) -> None:
    data = data_of(await platform.http.post(SIGNUP, json={**ADA, "phone": "+4930123456"}))
    (event,) = await events(platform.database("users"), "User-Creation")
    assert set(event) == {"version", "userId", "username", "name", "avatarUrl", "role", "state", "createdAt"}
    assert (event["userId"], event["version"], event["state"]) == (data["userId"], 1, "active")


async def test_a_refused_signup_leaves_and_tells_nothing(platform: TestPlatform) -> None:
    data_of(await platform.http.post(SIGNUP, json=ADA))
    await platform.http.post(SIGNUP, json=ADA)
    database = platform.database("users")
    assert await database.reader.fetchval("SELECT count(*) FROM users") == 1
    assert await database.reader.fetchval("SELECT count(*) FROM sessions") == 1
    assert len(await events(database, "User-Creation")) == 1


async def test_a_hundred_signups_with_one_address_make_one_account(platform: TestPlatform) -> None:
    responses = await asyncio.gather(*(platform.http.post(SIGNUP, json=ADA) for _ in range(100)))
    assert sorted(response.status_code for response in responses) == [201] + [409] * 99
    assert await platform.database("users").reader.fetchval("SELECT count(*) FROM users") == 1


async def test_twenty_people_of_one_name_have_twenty_usernames(platform: TestPlatform) -> None:
    bodies = [{**ADA, "email": f"ada{number}@example.org"} for number in range(20)]
    responses = await asyncio.gather(*(platform.http.post(SIGNUP, json=body) for body in bodies))
    assert {response.status_code for response in responses} == {201}
    usernames = await platform.database("users").reader.fetch("SELECT username FROM users")
    assert len({row["username"] for row in usernames}) == 20
    assert all(row["username"].startswith("ada_lovelace") for row in usernames)


@pytest.mark.usefixtures("hashes_as_shipped")
async def test_the_password_is_kept_as_argon2id_at_owasps_parameters(platform: TestPlatform) -> None:
    data_of(await platform.http.post(SIGNUP, json=ADA))
    kept = await platform.database("users").reader.fetchval("SELECT password_hash FROM users")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_neither_password_nor_tokens_are_in_any_table(platform: TestPlatform) -> None:
    data = data_of(await platform.http.post(SIGNUP, json=ADA))
    database = platform.database("users")
    for table in ("users", "sessions", "refresh_tokens", "outbox", "login_attempts", "idempotency_keys"):
        rows = str([tuple(row) for row in await database.reader.fetch(f"SELECT * FROM {table}")])
        assert not any(secret in rows for secret in (PASSWORD, data["token"], data["refreshToken"]))


async def test_an_old_token_is_no_obstacle_to_signing_up_or_in(platform: TestPlatform) -> None:
    headers = {"authorization": "Bearer of.bad.news"}
    assert (await platform.http.post(SIGNUP, json=ADA, headers=headers)).status_code == 201
    login = {"email": ADA["email"], "password": PASSWORD}
    assert (await platform.http.post(LOGIN, json=login, headers=headers)).status_code == 200


async def test_a_name_with_an_emoji_is_fine(platform: TestPlatform) -> None:
    data = data_of(await platform.http.post(SIGNUP, json={**ADA, "name": "Ada 🎓"}))
    headers = {"authorization": f"Bearer {data['token']}"}
    assert data_of(await platform.http.get(PROFILE, headers=headers))["name"] == "Ada 🎓"
