"""What users tells the other services."""

from uuid import UUID

import pytest

from moocflix.contracts.users import UserPage, UserState
from moocflix.platform.auth.published import JsonWebKeySet, RevocationList
from moocflix.platform.auth.watch import UsersService
from moocflix.platform.errors import NotFound
from moocflix.platform.ids import new_id
from moocflix.services.users.signing_key.model import PublishedKeys
from tests.factories.platform import TestPlatform
from tests.users.conftest import LOGOUT

PATHS = ["/internal/users", f"/internal/users/{UUID(int=7)}", "/internal/revocations", "/internal/signing-keys"]


async def test_it_tells_of_one_person_without_address_or_number(platform: TestPlatform) -> None:
    ada = await platform.person(name="Ada")
    client = platform.context("courses").http("users")
    state = await client.get(f"/internal/users/{ada.id}", reply=UserState)
    assert (state.user_id, state.name, state.state, state.version) == (ada.id, "Ada", "active", 1)
    assert await client.find(f"/internal/users/{new_id()}", reply=UserState) is None
    with pytest.raises(NotFound):
        await client.get(f"/internal/users/{new_id()}", reply=UserState)


async def test_it_tells_of_everybody_page_by_page(platform: TestPlatform) -> None:
    people = {(await platform.person()).id for _ in range(5)}
    client = platform.context("courses").http("users")
    seen: list[UUID] = []
    cursor: str | None = None
    while True:
        page = await client.get("/internal/users", reply=UserPage, query={"limit": 2, "cursor": cursor})
        seen += [user.user_id for user in page.users]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == sorted(people)


async def test_it_tells_of_revocations_after_a_number(platform: TestPlatform) -> None:
    client = platform.client("platform", "users")
    before = (await client.get("/internal/revocations", reply=RevocationList)).last
    ada = await platform.person(name="Ada")
    await ada.post(LOGOUT)
    found = await client.get("/internal/revocations", reply=RevocationList, query={"after": before})
    (revocation,) = found.revocations
    assert (revocation.number, found.last) == (before + 1, before + 1)
    assert (revocation.session_id is None, revocation.user_id) == (False, None)
    nothing = await client.get("/internal/revocations", reply=RevocationList, query={"after": found.last})
    assert nothing.revocations == []
    assert (await UsersService(client).after(found.last)).revocations == []


async def test_it_tells_of_the_keys(platform: TestPlatform) -> None:
    client = platform.client("platform", "users")
    keys = await client.get("/internal/signing-keys", reply=JsonWebKeySet)
    platform.context("users").part(PublishedKeys).forget()
    public = (await platform.http.get("/.well-known/jwks.json")).json()
    assert [key.kid for key in keys.keys] == [key["kid"] for key in public["keys"]]
    assert set(public["keys"][0]) == {"kid", "x", "kty", "crv", "alg", "use"}


@pytest.mark.parametrize("path", PATHS)
async def test_the_public_listener_knows_nothing_of_it(platform: TestPlatform, path: str) -> None:
    admin = await platform.person(role="admin")
    assert (await platform.http.get(path)).status_code == 404
    assert (await admin.get(path)).status_code == 404
