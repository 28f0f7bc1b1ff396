"""Closing, blocking and promoting accounts: everybody knows within seconds."""

import asyncio

import pytest

from moocflix.platform.auth.principal import Role
from moocflix.platform.clock import utc_now
from moocflix.platform.database.transaction import Database
from moocflix.platform.ids import new_id
from moocflix.services.users.account import operations
from moocflix.services.users.account.model import AccountNotFound
from moocflix.services.users.session.model import Lives
from tests.factories.platform import PASSWORD, Person, TestPlatform, data_of
from tests.users.conftest import LOGIN, PROFILE, REFRESH, SIGNUP, events, generation_of, known_everywhere, refusal

DEACTIVATE = "/api/v1/users/deactivate"


@pytest.fixture
async def ada(platform: TestPlatform) -> Person:
    return await platform.person(name="Ada")


async def test_closing_an_account_ends_all_its_sessions(platform: TestPlatform, ada: Person) -> None:
    elsewhere, eve = await platform.sign_in(ada.email), await platform.person(name="Eve")
    assert data_of(await ada.delete(DEACTIVATE)) == {"userId": str(ada.id), "message": "Account deactivated"}
    await known_everywhere(platform)
    for person in (ada, elsewhere):
        assert (await person.get(PROFILE)).status_code == 401
        assert (await platform.http.post(REFRESH, json={"refreshToken": person.refresh_token})).status_code == 401
    assert (await eve.get(PROFILE)).status_code == 200


async def test_a_closed_account_is_told_of_and_keeps_its_address(platform: TestPlatform, ada: Person) -> None:
    await ada.delete(DEACTIVATE)
    (event,) = await events(platform.database("users"), "User-Deactivation")
    assert (event["userId"], event["state"], event["version"]) == (str(ada.id), "deactivated", 2)
    again = {"name": "Ada", "email": ada.email, "password": PASSWORD}
    assert (await platform.http.post(SIGNUP, json=again)).status_code == 409


async def test_only_the_right_password_learns_that_an_account_is_closed(platform: TestPlatform, ada: Person) -> None:
    await ada.delete(DEACTIVATE)
    wrong = await platform.http.post(LOGIN, json={"email": ada.email, "password": "wrong one"})
    assert refusal(wrong)[:2] == (401, "Name or password is wrong.")
    right = await platform.http.post(LOGIN, json={"email": ada.email, "password": PASSWORD})
    assert refusal(right)[:2] == (403, "This account is deactivated.")


async def test_a_blocked_person_is_out_and_comes_back_when_let_in(
    platform: TestPlatform, ada: Person, database: Database, lives: Lives
) -> None:
    async with database.transaction() as tx:
        await operations.set_state(tx, id=ada.id, state="blocked", lives=lives, now=utc_now())
    await known_everywhere(platform)
    assert (await ada.get(PROFILE)).status_code == 401
    assert (await platform.http.post(LOGIN, json={"email": ada.email, "password": PASSWORD})).status_code == 403
    async with database.transaction() as tx:
        await operations.set_state(tx, id=ada.id, state="active", lives=lives, now=utc_now())
    await known_everywhere(platform)
    assert (await platform.http.post(REFRESH, json={"refreshToken": ada.refresh_token})).status_code == 401
    again = await platform.sign_in(ada.email)
    assert (await again.get(PROFILE)).status_code == 200
    assert [event["state"] for event in await events(database, "User-Update")] == ["blocked", "active"]


@pytest.mark.parametrize("role", ["instructor", "admin"])
async def test_a_new_role_counts_after_the_next_refresh_and_the_old_one_no_more(
    platform: TestPlatform, ada: Person, database: Database, lives: Lives, role: Role
) -> None:
    async with database.transaction() as tx:
        await operations.set_role(tx, id=ada.id, role=role, lives=lives, now=utc_now())
    await known_everywhere(platform)
    assert (await ada.get(PROFILE)).status_code == 401
    data = data_of(await platform.http.post(REFRESH, json={"refreshToken": ada.refresh_token}))
    headers = {"authorization": f"Bearer {data['token']}"}
    assert data_of(await platform.http.get(PROFILE, headers=headers))["role"] == role
    assert platform.runtime.watch.verifier.verify(data["token"]).role == role


async def test_a_standing_that_changes_nothing_ends_nothing(
    platform: TestPlatform, ada: Person, database: Database, lives: Lives
) -> None:
    async with database.transaction() as tx:
        await operations.set_role(tx, id=ada.id, role="student", lives=lives, now=utc_now())
    await known_everywhere(platform)
    assert (await ada.get(PROFILE)).status_code == 200
    assert await generation_of(database, ada.id) == 0


async def test_nobodys_standing_cannot_be_changed(platform: TestPlatform, database: Database, lives: Lives) -> None:
    with pytest.raises(AccountNotFound):
        async with database.transaction() as tx:
            await operations.set_role(tx, id=new_id(), role="admin", lives=lives, now=utc_now())


async def test_changes_at_once_do_not_stand_in_each_others_way(
    platform: TestPlatform, ada: Person, database: Database, lives: Lives
) -> None:
    """Logging in, refreshing, logging out and blocking take their locks in one order."""
    others = [await platform.sign_in(ada.email) for _ in range(6)]

    async def change_role(role: Role) -> None:
        async with database.transaction() as tx:
            await operations.set_role(tx, id=ada.id, role=role, lives=lives, now=utc_now())

    login = {"email": ada.email, "password": PASSWORD}
    responses = await asyncio.gather(
        *(other.post("/api/v1/users/logout") for other in others[:3]),
        *(platform.http.post(REFRESH, json={"refreshToken": other.refresh_token}) for other in others),
        *(platform.http.post(LOGIN, json=login) for _ in range(6)),
        ada.post("/api/v1/users/logout", {"all": True}),
        *(change_role(role) for role in ("instructor", "student", "admin")),
    )
    assert {response.status_code for response in responses if response is not None} <= {200, 401}
