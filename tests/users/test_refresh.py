"""Renewing tokens: each refresh token works once, and a second use ends the session."""

import asyncio
from datetime import timedelta

import jwt
import pytest

from moocflix.platform import clock
from tests.factories.platform import Person, TestPlatform, data_of
from tests.users.conftest import PROFILE, REFRESH, known_everywhere, refusal


@pytest.fixture
async def ada(platform: TestPlatform) -> Person:
    return await platform.person(name="Ada")


async def renewed(platform: TestPlatform, refresh_token: str) -> str:
    token: str = data_of(await platform.http.post(REFRESH, json={"refreshToken": refresh_token}))["refreshToken"]
    return token


async def status(platform: TestPlatform, refresh_token: str) -> int:
    return (await platform.http.post(REFRESH, json={"refreshToken": refresh_token})).status_code


async def test_it_gives_a_new_pair_for_the_same_session(platform: TestPlatform, ada: Person) -> None:
    data = data_of(await platform.http.post(REFRESH, json={"refreshToken": ada.refresh_token}))
    assert data["refreshToken"] != ada.refresh_token
    assert (data["userId"], data["expiresIn"]) == (str(ada.id), 900)
    old, new = (jwt.decode(token, options={"verify_signature": False}) for token in (ada.token, data["token"]))
    assert (old["sid"], old["sub"]) == (new["sid"], new["sub"])
    headers = {"authorization": f"Bearer {data['token']}"}
    assert (await platform.http.get(PROFILE, headers=headers)).status_code == 200


async def test_it_goes_on_for_as_long_as_it_is_used(platform: TestPlatform, ada: Person) -> None:
    token = ada.refresh_token
    for _ in range(5):
        clock.turn(timedelta(days=29))
        token = await renewed(platform, token)
    assert await status(platform, token) == 200


async def test_a_session_ends_when_it_is_not_used(platform: TestPlatform, ada: Person) -> None:
    clock.turn(timedelta(days=30, seconds=1))
    assert await status(platform, ada.refresh_token) == 401


async def test_a_session_ends_however_much_it_is_used(platform: TestPlatform, ada: Person) -> None:
    token = ada.refresh_token
    for _ in range(6):
        clock.turn(timedelta(days=29))
        token = await renewed(platform, token)
    clock.turn(timedelta(days=7))
    assert await status(platform, token) == 401


@pytest.mark.parametrize("token", ["", "nonsense", "x" * 43])
async def test_it_refuses_what_it_never_gave(platform: TestPlatform, token: str) -> None:
    response = await platform.http.post(REFRESH, json={"refreshToken": token})
    assert refusal(response) == (401, "The refresh token is not valid; sign in again.", [])


async def test_a_second_use_ends_the_session(platform: TestPlatform, ada: Person) -> None:
    successor = await renewed(platform, ada.refresh_token)
    response = await platform.http.post(REFRESH, json={"refreshToken": ada.refresh_token})
    assert response.status_code == 401
    assert "used before" in response.json()["error"]["message"]
    assert await status(platform, successor) == 401
    await known_everywhere(platform)
    assert (await ada.get(PROFILE)).status_code == 401


async def test_a_second_use_ends_no_other_session(platform: TestPlatform, ada: Person) -> None:
    elsewhere = await platform.sign_in(ada.email)
    await renewed(platform, ada.refresh_token)
    await status(platform, ada.refresh_token)
    await known_everywhere(platform)
    assert (await elsewhere.get(PROFILE)).status_code == 200
    assert await status(platform, elsewhere.refresh_token) == 200


async def test_a_grandparent_ends_the_session(platform: TestPlatform, ada: Person) -> None:
    second = await renewed(platform, ada.refresh_token)
    third = await renewed(platform, second)
    assert await status(platform, ada.refresh_token) == 401
    assert await status(platform, third) == 401


async def test_of_two_at_once_one_wins_and_the_other_ends_the_session(platform: TestPlatform) -> None:
    for _ in range(10):
        person = await platform.person()
        body = {"refreshToken": person.refresh_token}
        answers = await asyncio.gather(*(platform.http.post(REFRESH, json=body) for _ in range(2)))
        won, lost = sorted(answers, key=lambda answer: answer.status_code)
        assert "used before" in lost.json()["error"]["message"]
        assert await status(platform, data_of(won)["refreshToken"]) == 401


async def test_a_second_use_ends_a_session_once(platform: TestPlatform, ada: Person) -> None:
    statuses = await asyncio.gather(*(status(platform, ada.refresh_token) for _ in range(50)))
    assert sorted(statuses) == [200, *[401] * 49]
    counts = "SELECT ARRAY[(SELECT count(*) FROM refresh_tokens), (SELECT count(*) FROM issued_revocations)]"
    assert await platform.database("users").reader.fetchval(counts) == [2, 1]


async def test_a_stolen_token_used_after_its_owner_did_ends_the_session_for_both(
    platform: TestPlatform, ada: Person
) -> None:
    stolen = ada.refresh_token
    owners = await renewed(platform, stolen)
    owners = await renewed(platform, owners)
    assert await status(platform, stolen) == 401
    assert await status(platform, owners) == 401
