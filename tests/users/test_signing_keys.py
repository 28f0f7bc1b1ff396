"""Signing keys: one signs, those before it count until their tokens have expired."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import jwt
import pytest

from moocflix.entrypoints.users import rotate_keys
from moocflix.platform import clock
from moocflix.platform.auth.published import JsonWebKeySet
from moocflix.platform.auth.signer import CurrentSigner
from moocflix.platform.clock import utc_now
from moocflix.platform.database.transaction import Database, Reader
from moocflix.platform.sealing import Seal, derive_key
from moocflix.services.users.signing_key import operations, sql
from moocflix.services.users.signing_key.model import PublishedKeys, SecretDoesNotFit, SigningKey
from tests.factories.platform import Person, TestPlatform
from tests.users.conftest import PROFILE

JWKS = "/.well-known/jwks.json"
SEAL = Seal(derive_key(b"a secret of this test alone", purpose="test"))


@pytest.fixture
async def ada(platform: TestPlatform) -> AsyncIterator[Person]:
    await one_key(platform)
    yield await platform.person(name="Ada")
    clock.reset()
    await one_key(platform)


async def one_key(platform: TestPlatform) -> None:
    """Leave no key of another test, which may have made it at another time than ours."""
    await rotate(platform, at_once=True)
    await know_of_new_keys(platform)


async def know_of_new_keys(platform: TestPlatform) -> None:
    """What a running platform does by itself after a few seconds."""
    platform.context("users").part(CurrentSigner).forget()
    platform.context("users").part(PublishedKeys).forget()
    await platform.runtime.watch.verifier.refresh_keys(at_once=True)


async def published(platform: TestPlatform) -> list[str]:
    """What anybody is told, once the second is over for which the process remembers what it was told."""
    platform.context("users").part(PublishedKeys).forget()
    return [key["kid"] for key in (await platform.http.get(JWKS)).json()["keys"]]


async def test_however_many_ask_for_the_keys_the_database_is_asked_once(
    platform: TestPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, asked = platform.context("users"), 0
    lasting = PublishedKeys(context.part(PublishedKeys)._load, seconds=600)  # noqa: SLF001 - the same, for longer
    monkeypatch.setitem(context.parts, PublishedKeys, lasting)
    read = sql.published

    async def counted(db: Reader, *, now: datetime) -> JsonWebKeySet:
        nonlocal asked
        asked += 1
        return await read(db, now=now)

    monkeypatch.setattr(sql, "published", counted)
    answers = await asyncio.gather(*(platform.http.get(f"{JWKS}?{number}") for number in range(20)))
    assert len({answer.content for answer in answers}) == 1
    assert asked == 1


async def test_anybody_can_check_a_token_with_the_published_key(platform: TestPlatform, ada: Person) -> None:
    """By another library's means: nothing of ours but the document."""
    keys = jwt.PyJWKSet.from_dict((await platform.http.get(JWKS)).json())
    key = keys[jwt.get_unverified_header(ada.token)["kid"]]
    claims = jwt.decode(ada.token, key, algorithms=["EdDSA"], audience="moocflix", issuer="moocflix/users")
    assert claims["sub"] == str(ada.id)


async def test_it_tells_no_private_half(platform: TestPlatform) -> None:
    response = await platform.http.get(JWKS)
    assert response.headers["content-type"] == "application/json"
    assert all("d" not in key for key in response.json()["keys"])


async def rotate(platform: TestPlatform, *, at_once: bool = False) -> str:
    return (await rotate_keys(platform.context("users"), at_once=at_once)).kid


async def test_a_new_key_is_published_two_minutes_before_it_signs(platform: TestPlatform, ada: Person) -> None:
    """Whoever checks tokens, a gateway too, knows a key by the time that it meets a token under it."""
    old = jwt.get_unverified_header(ada.token)["kid"]
    new = await rotate(platform)
    assert (await published(platform))[:2] == [new, old]
    for minutes, signs in ((0, old), (1.9, old), (0.2, new)):
        clock.turn(timedelta(minutes=minutes))
        await know_of_new_keys(platform)
        again = await platform.sign_in(ada.email)
        assert jwt.get_unverified_header(again.token)["kid"] == signs


async def test_a_new_key_signs_and_the_old_one_still_counts(platform: TestPlatform, ada: Person) -> None:
    new = await rotate(platform)
    clock.turn(timedelta(minutes=2))
    await know_of_new_keys(platform)
    again = await platform.sign_in(ada.email)
    assert jwt.get_unverified_header(again.token)["kid"] == new
    assert (await ada.get(PROFILE)).status_code == 200
    assert (await again.get(PROFILE)).status_code == 200
    assert (await published(platform))[0] == new
    clock.turn(timedelta(minutes=18))
    assert await published(platform) == [new]


async def test_a_process_that_has_not_heard_of_a_new_key_fetches_it(platform: TestPlatform, ada: Person) -> None:
    await rotate(platform)
    clock.turn(timedelta(minutes=2))
    platform.context("users").part(CurrentSigner).forget()
    again = await platform.sign_in(ada.email)
    verifier = platform.runtime.watch.verifier
    verifier.use_keys([key for key in verifier.published() if key.kid != jwt.get_unverified_header(again.token)["kid"]])
    await verifier.refresh_keys(at_once=True)
    assert (await again.get(PROFILE)).status_code == 200


async def test_a_key_in_other_hands_counts_no_more_at_once(platform: TestPlatform, ada: Person) -> None:
    new = await rotate(platform, at_once=True)
    assert await published(platform) == [new]
    await know_of_new_keys(platform)
    assert (await ada.get(PROFILE)).status_code == 401
    again = await platform.sign_in(ada.email)
    assert (await again.get(PROFILE)).status_code == 200


async def test_of_processes_that_start_at_once_one_makes_the_key(database: Database) -> None:
    async def start() -> None:
        async with database.transaction() as tx:
            await operations.make_first(tx, key=SigningKey.new(seal=SEAL, now=utc_now()))

    before = await sql.current(database.reader, now=utc_now())
    await asyncio.gather(*(start() for _ in range(8)))
    assert await sql.current(database.reader, now=utc_now()) == before
    count = "SELECT count(*) FROM signing_keys WHERE published_until IS NULL"
    assert await database.reader.fetchval(count) == 1


def test_a_private_half_opens_with_its_secret_alone() -> None:
    key = SigningKey.new(seal=SEAL, now=utc_now())
    assert key.signer(seal=SEAL, lifetime=timedelta(minutes=15)).kid == key.kid
    other = Seal(derive_key(b"another secret", purpose="test"))
    with pytest.raises(SecretDoesNotFit, match="rotate-keys"):
        key.signer(seal=other, lifetime=timedelta(minutes=15))
