"""Tokens that must not count do not, at the door of every service; and no token or password reaches the log."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from moocflix.platform import clock, logs
from moocflix.platform.auth.signer import CurrentSigner
from moocflix.platform.auth.tokens import AccessTokenSigner
from moocflix.services.users.account import operations
from moocflix.services.users.session.model import Lives
from moocflix.services.users.settings import UsersSettings
from tests.factories.platform import PASSWORD, Person, TestPlatform, data_of
from tests.security.conftest import service_headers
from tests.security.stage import Stage

# One route of each service that takes a person's token.
DOORS = (
    "/api/v1/users/profile",
    "/api/v1/courses?mine=true",
    "/api/enrollments",
    "/api/progress/00000000-0000-0000-0000-000000000000",
    "/api/v1/content/00000000-0000-0000-0000-000000000000",
)

Forge = Callable[[AccessTokenSigner, dict[str, Any]], str]


def _part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def _signed(**changes: Any) -> Forge:
    """A token by the right key, with other claims."""
    return lambda signer, claims: jwt.encode(
        {name: value for name, value in {**claims, **changes}.items() if value is not None},
        signer.key, algorithm="EdDSA", headers={"kid": signer.kid},
    )  # fmt: skip


FORGED: dict[str, Forge] = {
    "without a signature": lambda signer, claims: f"{_part({'alg': 'none', 'kid': signer.kid})}.{_part(claims)}.",
    "signed with the public key as a secret": lambda signer, claims: jwt.encode(
        claims, signer.key.public_key().public_bytes_raw() * 2, algorithm="HS256", headers={"kid": signer.kid}
    ),
    "signed with another key": lambda signer, claims: jwt.encode(
        claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": signer.kid}
    ),
    "of an unknown key": lambda _, claims: jwt.encode(
        claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": "../../dev/null"}
    ),
    "with its key inside": lambda signer, claims: jwt.encode(
        claims, Ed25519PrivateKey.generate(), algorithm="EdDSA",
        headers={"kid": signer.kid, "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}, "jku": "http://127.0.0.1/"},
    ),
    "for another audience": _signed(aud="courses"),
    "of another issuer": _signed(iss="moocflix/courses"),
    "of another type": _signed(typ="refresh"),
    "of no type": _signed(typ=None),
    "of an unheard-of role": _signed(role="root"),
    "that never expires": _signed(exp=None),
    "that has expired": _signed(exp=1),
    "of nobody": _signed(sub=None),
    "of no session": _signed(sid=None),
}  # fmt: skip


@pytest.fixture
async def ada(platform: TestPlatform) -> Person:
    return await platform.person(name="Ada")


async def claims_of(platform: TestPlatform, person: Person) -> tuple[AccessTokenSigner, dict[str, Any]]:
    signer = await platform.context("users").part(CurrentSigner).get()
    return signer, jwt.decode(person.token, options={"verify_signature": False})


async def refused_at(platform: TestPlatform, headers: dict[str, str]) -> list[int]:
    return [(await platform.http.get(door, headers=headers)).status_code for door in DOORS]


@pytest.mark.parametrize("kind", FORGED)
async def test_a_forged_token_opens_no_service(platform: TestPlatform, ada: Person, kind: str) -> None:
    signer, claims = await claims_of(platform, ada)
    token = FORGED[kind](signer, claims | {"role": "admin"} if "role" not in kind else claims)
    assert await refused_at(platform, {"authorization": f"Bearer {token}"}) == [401] * 5


async def test_a_token_opens_every_service_until_it_expires(platform: TestPlatform, ada: Person) -> None:
    assert await refused_at(platform, ada.headers) == [200, 200, 200, 404, 404]
    clock.turn(timedelta(minutes=16))
    assert await refused_at(platform, ada.headers) == [401] * 5


async def test_a_session_that_was_ended_is_over_at_every_service(platform: TestPlatform, ada: Person) -> None:
    other = await platform.sign_in(ada.email)
    data_of(await ada.post("/api/v1/users/logout"))
    await platform.runtime.watch.revocations.poll()
    assert await refused_at(platform, ada.headers) == [401] * 5
    assert await refused_at(platform, other.headers) == [200, 200, 200, 404, 404]


async def test_a_role_that_was_taken_away_counts_nowhere(platform: TestPlatform) -> None:
    teacher = await platform.person(role="instructor")
    course = {
        "title": "T",
        "description": "D",
        "category": "C",
        "difficulty": "Beginner",
        "price": 0,
        "currency": "EUR",
    }
    data_of(await teacher.post("/api/v1/courses", course))
    lives = Lives.of(platform.settings.of(UsersSettings))
    async with platform.database("users").transaction() as tx:
        await operations.set_role(tx, id=teacher.id, role="student", lives=lives, now=clock.utc_now())
    await platform.runtime.watch.revocations.poll()
    assert (await teacher.post("/api/v1/courses", course)).status_code == 401
    renewed = data_of(await platform.http.post("/api/v1/users/refresh", json={"refreshToken": teacher.refresh_token}))
    headers = {"authorization": f"Bearer {renewed['token']}"}
    assert (await platform.http.post("/api/v1/courses", json=course, headers=headers)).status_code == 403


async def test_neither_a_refresh_nor_a_services_token_is_a_persons(platform: TestPlatform, ada: Person) -> None:
    assert await refused_at(platform, {"authorization": f"Bearer {ada.refresh_token}"}) == [401] * 5
    for service in ("users", "courses", "enrollments", "progress", "content", "moocflix"):
        assert await refused_at(platform, service_headers(platform, audience=service)) == [401] * 5


async def test_a_playback_token_opens_its_video_and_is_no_key_to_anything_else(stage: Stage) -> None:
    token = stage.ids["published"]["token"]
    path = stage.fill("/api/v1/content/play/{token}/{file}", target="published")
    assert (await stage.platform.http.get(path)).status_code == 200
    assert await refused_at(stage.platform, {"authorization": f"Bearer {token}"}) == [401] * 5
    for place in range(len(token)):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        answer = await stage.platform.http.get(path.replace(token, changed))
        # The last letter holds bits that no byte of the token has.
        assert answer.status_code == 401 or place == len(token) - 1


async def test_the_log_of_a_journey_holds_no_secret(platform: TestPlatform, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as out:
        lines = logs.configure(out=out, level="DEBUG")
        secrets = await _journey(platform)
        lines.flush()
        logs.configure()
    text = (tmp_path / "log").read_text()
    assert text.count('"event":"request"') >= 12
    assert [secret for secret in secrets if secret in text] == []


async def _journey(platform: TestPlatform) -> list[str]:
    """Sign up, in, on and out, rightly and wrongly; everything in it that only its owner may know."""
    ada = await platform.person(name="Ada")
    wrong = "not the right password"
    await platform.http.post("/api/v1/users/login", json={"email": ada.email, "password": wrong})
    await platform.http.post("/api/v1/users/login", content=f'{{"email":"a","password":"{wrong}"'.encode())
    again = await platform.sign_in(ada.email)
    renewed = data_of(await platform.http.post("/api/v1/users/refresh", json={"refreshToken": again.refresh_token}))
    await platform.http.post("/api/v1/users/refresh", json={"refreshToken": ada.token})
    change = {"email": "new.ada@example.org", "password": "another fine password", "currentPassword": PASSWORD}
    data_of(await ada.put("/api/v1/users/profile/update", change))
    await platform.http.get("/api/v1/users/profile", headers={"authorization": f"Bearer {ada.token[:-3]}abc"})
    await platform.http.get(f"/api/v1/content/play/{ada.token}/index.m3u8?token={ada.token}")
    await platform.http.get(f"/api/v1/files/{ada.token}/videos/a?signature={ada.token}")
    await platform.http.get(f"/nothing/{ada.token}", headers={"cookie": ada.token, "referer": ada.token})
    course = await platform.course()
    await platform.enrollment(ada, course)
    await ada.post("/api/v1/users/logout", {"all": True})
    return [
        PASSWORD, wrong, "another fine password", ada.token, ada.token[:-3], ada.refresh_token, again.token,
        again.refresh_token, renewed["token"], renewed["refreshToken"], ada.email, "new.ada@example.org",
    ]  # fmt: skip
