"""Profiles: who may see and change what, and what ends with a new password."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.factories.platform import PASSWORD, Person, TestPlatform, data_of
from tests.users.conftest import LOGIN, PROFILE, UPDATE, events, known_everywhere, refusal

NEW_PASSWORD = "another good password"


@pytest.fixture
async def ada(platform: TestPlatform) -> Person:
    return await platform.person(name="Ada Lovelace")


@pytest.mark.parametrize("path", [PROFILE, "/api/auth/user/profile"])
async def test_it_is_shown_to_who_is_signed_in(platform: TestPlatform, ada: Person, path: str) -> None:
    assert data_of(await ada.get(path))["userId"] == str(ada.id)
    assert (await platform.http.get(path)).status_code == 401


@pytest.mark.parametrize("path", [UPDATE, "/api/auth/user/profile"])
async def test_it_is_changed_on_both_paths(platform: TestPlatform, ada: Person, path: str) -> None:
    changes = {"name": "Ada  King", "avatarUrl": "https://example.org/a.png", "username": "Ada.King"}
    data = data_of(await ada.put(path, changes))
    assert data == {"userId": str(ada.id), "message": "Profile updated successfully"}
    profile = data_of(await ada.get(PROFILE))
    shown = (profile["name"], profile["avatarUrl"], profile["username"])
    assert shown == ("Ada King", "https://example.org/a.png", "ada.king")
    assert (await platform.http.put(path, json=changes)).status_code == 401


async def test_what_is_not_named_stays(ada: Person) -> None:
    await ada.put(UPDATE, {"avatarUrl": "https://example.org/a.png"})
    await ada.put(UPDATE, {"name": "Ada King"})
    profile = data_of(await ada.get(PROFILE))
    assert (profile["name"], profile["avatarUrl"]) == ("Ada King", "https://example.org/a.png")


async def test_null_takes_a_picture_away(ada: Person) -> None:
    await ada.put(UPDATE, {"avatarUrl": "https://example.org/a.png"})
    await ada.put(UPDATE, {"avatarUrl": None})
    assert data_of(await ada.get(PROFILE))["avatarUrl"] is None


async def test_role_state_and_verification_are_not_the_callers_to_change(ada: Person) -> None:
    await ada.put(UPDATE, {"name": "Ada", "role": "admin", "state": "active", "emailVerified": True, "id": "x"})
    profile = data_of(await ada.get(PROFILE))
    assert (profile["role"], profile["emailVerified"]) == ("student", False)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"currentPassword": PASSWORD}, "body"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"username": "x"}, "username"),
        ({"avatarUrl": "nowhere"}, "avatarUrl"),
        ({"email": "nobody", "currentPassword": PASSWORD}, "email"),
        ({"phone": "1", "currentPassword": PASSWORD}, "phone"),
        ({"password": "short", "currentPassword": PASSWORD}, "password"),
        ({"email": "new@example.org"}, "currentPassword"),
        ({"phone": None}, "currentPassword"),
        ({"password": NEW_PASSWORD}, "currentPassword"),
    ],
)
async def test_it_names_the_field_that_it_refuses(ada: Person, body: dict[str, Any], field: str) -> None:
    before = data_of(await ada.get(PROFILE))
    assert refusal(await ada.put(UPDATE, body))[::2] == (400, [field])
    assert data_of(await ada.get(PROFILE)) == before


@pytest.mark.parametrize("change", [{"email": "new@example.org"}, {"phone": "+4930123456"}, {"password": NEW_PASSWORD}])
async def test_what_one_signs_in_with_takes_the_current_password(ada: Person, change: dict[str, str]) -> None:
    assert refusal(await ada.put(UPDATE, {**change, "currentPassword": "wrong one"}))[::2] == (403, ["currentPassword"])
    assert (await ada.put(UPDATE, {**change, "currentPassword": PASSWORD})).status_code == 200


async def test_the_current_password_is_not_guessed_for_long(ada: Person) -> None:
    body = {"phone": "+4930123456", "currentPassword": "wrong one"}
    statuses = [(await ada.put(UPDATE, body)).status_code for _ in range(12)]
    assert statuses == [403] * 10 + [429] * 2


async def test_a_new_address_signs_in_and_the_old_one_does_not(platform: TestPlatform, ada: Person) -> None:
    await ada.put(UPDATE, {"email": "New@Example.org", "currentPassword": PASSWORD})
    assert data_of(await ada.get(PROFILE))["email"] == "New@example.org"
    assert (await platform.http.post(LOGIN, json={"email": ada.email, "password": PASSWORD})).status_code == 401
    await platform.sign_in("new@example.org")


async def test_a_new_address_is_to_be_verified_again(platform: TestPlatform, ada: Person) -> None:
    async with platform.database("users").transaction() as tx:
        await tx.execute("UPDATE users SET email_verified = true WHERE id = $1", ada.id)
    await ada.put(UPDATE, {"name": "Ada"})
    assert data_of(await ada.get(PROFILE))["emailVerified"]
    await ada.put(UPDATE, {"email": "new@example.org", "currentPassword": PASSWORD})
    assert not data_of(await ada.get(PROFILE))["emailVerified"]


async def test_a_new_password_signs_in_and_the_old_one_does_not(platform: TestPlatform, ada: Person) -> None:
    await ada.put(UPDATE, {"password": NEW_PASSWORD, "currentPassword": PASSWORD})
    assert (await platform.http.post(LOGIN, json={"email": ada.email, "password": PASSWORD})).status_code == 401
    await platform.sign_in(ada.email, password=NEW_PASSWORD)


async def test_a_new_password_ends_every_session_but_this_one(platform: TestPlatform, ada: Person) -> None:
    elsewhere = await platform.sign_in(ada.email)
    await ada.put(UPDATE, {"password": NEW_PASSWORD, "currentPassword": PASSWORD})
    await known_everywhere(platform)
    assert (await elsewhere.get(PROFILE)).status_code == 401
    assert (await ada.get(PROFILE)).status_code == 200
    refresh = "/api/v1/users/refresh"
    assert (await platform.http.post(refresh, json={"refreshToken": elsewhere.refresh_token})).status_code == 401
    assert (await platform.http.post(refresh, json={"refreshToken": ada.refresh_token})).status_code == 200


@pytest.mark.parametrize("field", ["email", "phone", "username"])
async def test_what_somebody_else_has_cannot_be_taken(platform: TestPlatform, ada: Person, field: str) -> None:
    eve = await platform.person(name="Eve")
    await eve.put(UPDATE, {"phone": "+4930123456", "username": "eve", "currentPassword": PASSWORD})
    taken = {"email": eve.email.upper(), "phone": "+49 30 123456", "username": "EVE"}
    response = await ada.put(UPDATE, {field: taken[field], "currentPassword": PASSWORD})
    assert refusal(response)[::2] == (409, [field])


async def test_a_phone_number_that_was_given_up_is_free(platform: TestPlatform, ada: Person) -> None:
    eve = await platform.person(name="Eve")
    number = {"phone": "+4930123456", "currentPassword": PASSWORD}
    assert (await eve.put(UPDATE, number)).status_code == 200
    assert (await ada.put(UPDATE, number)).status_code == 409
    assert (await eve.put(UPDATE, {**number, "phone": None})).status_code == 200
    assert (await ada.put(UPDATE, number)).status_code == 200


async def test_it_changes_only_what_the_caller_has_read(ada: Person) -> None:
    etag = (await ada.get(PROFILE)).headers["etag"]
    first = await ada.put(UPDATE, {"name": "Ada King"}, headers={"if-match": etag})
    assert (first.status_code, first.headers["etag"]) == (200, '"2"')
    assert (await ada.put(UPDATE, {"name": "Ada"}, headers={"if-match": etag})).status_code == 412
    assert (await ada.put(UPDATE, {"name": "Ada"}, headers={"if-match": "nonsense"})).status_code == 400
    assert (await ada.put(UPDATE, {"name": "Ada"}, headers={"if-match": first.headers["etag"]})).status_code == 200


async def test_a_change_is_told_but_never_address_or_number(platform: TestPlatform, ada: Person) -> None:
    await ada.put(UPDATE, {"name": "Ada King"})
    await ada.put(UPDATE, {"email": "new@example.org", "currentPassword": PASSWORD})
    first, second = await events(platform.database("users"), "User-Update")
    assert (first["name"], first["version"], second["version"]) == ("Ada King", 2, 3)
    assert "new@example.org" not in str(second)


async def test_a_change_that_changes_nothing_is_told_to_nobody(platform: TestPlatform, ada: Person) -> None:
    assert (await ada.put(UPDATE, {"name": "Ada Lovelace"})).headers["etag"] == '"1"'
    assert await events(platform.database("users"), "User-Update") == []


async def test_a_profile_that_is_gone_is_not_found(platform: TestPlatform, ada: Person) -> None:
    async with platform.database("users").transaction() as tx:
        await tx.execute("DELETE FROM users WHERE id = $1", ada.id)
    assert refusal(await ada.get(PROFILE))[:2] == (404, "User not found.")
    assert (await ada.put(UPDATE, {"name": "Ada"})).status_code == 404


async def test_two_changes_of_the_password_at_once_leave_one(platform: TestPlatform, ada: Person) -> None:
    passwords = [f"{NEW_PASSWORD} {number}" for number in range(4)]
    bodies = [{"password": password, "currentPassword": PASSWORD} for password in passwords]
    statuses = [response.status_code for response in await asyncio.gather(*(ada.put(UPDATE, body) for body in bodies))]
    assert sorted(statuses) == [200, 403, 403, 403]
    await platform.sign_in(ada.email, password=passwords[statuses.index(200)])


async def test_changes_at_once_are_all_there(ada: Person) -> None:
    bodies = [{"name": "Ada King"}, {"username": "ada.king"}, {"avatarUrl": "https://example.org/a.png"}]
    await asyncio.gather(*(ada.put(UPDATE, body) for body in bodies))
    response = await ada.get(PROFILE)
    profile = data_of(response)
    shown = {name: profile[name] for body in bodies for name in body}
    assert shown == {name: value for body in bodies for name, value in body.items()}
    assert response.headers["etag"] == '"4"'


async def test_the_current_password_cannot_be_tried_from_all_of_an_ipv6_line(
    platform: TestPlatform, ada: Person
) -> None:
    statuses = []
    for number in range(12):
        transport = httpx.ASGITransport(platform.runtime.public, client=(f"2001:db8::{number:x}", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://platform") as http:
            body = {"password": NEW_PASSWORD, "currentPassword": "wrong one"}
            statuses.append((await http.put(UPDATE, json=body, headers=ada.headers)).status_code)
    assert statuses == [403] * 10 + [429] * 2


async def test_the_right_password_is_counted_too_since_every_change_costs_hashes(ada: Person) -> None:
    passwords = [PASSWORD, NEW_PASSWORD]
    statuses = []
    for number in range(12):
        body = {"password": passwords[(number + 1) % 2], "currentPassword": passwords[number % 2]}
        statuses.append((await ada.put(UPDATE, body)).status_code)
    assert statuses == [200] * 10 + [429] * 2
    assert (await ada.put(UPDATE, {"name": "Ada L."})).status_code == 200
