"""Service tokens: which service calls which, for a minute."""

import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from moocflix.platform import clock
from moocflix.platform.auth.keys import thumbprint
from moocflix.platform.auth.service_tokens import (
    ServiceKeys,
    ServiceTokenRefused,
    ServiceTokenSigner,
    ServiceTokenVerifier,
)
from moocflix.platform.secrets import SecretMissing


@pytest.fixture(autouse=True)
def real_time() -> Iterator[None]:
    yield
    clock.reset()


@pytest.fixture
def keys(tmp_path: Path) -> ServiceKeys:
    return ServiceKeys(tmp_path / "service-keys")


def forged(keys: ServiceKeys, *, signer: str = "courses", kid: Any = None, **changes: Any) -> str:
    good = ServiceTokenSigner("courses", keys).token(audience="users")
    claims = {**jwt.decode(good, options={"verify_signature": False}), **changes}
    claims = {name: value for name, value in claims.items() if value is not ...}
    key = keys.private(signer)
    return jwt.encode(claims, key, "EdDSA", headers={"kid": kid or thumbprint(key.public_key())})


def test_it_says_which_service_calls(keys: ServiceKeys) -> None:
    token = ServiceTokenSigner("courses", keys).token(audience="users")
    assert ServiceTokenVerifier(keys).verify(token, audience="users").name == "courses"


def test_a_token_for_one_service_is_refused_by_another(keys: ServiceKeys) -> None:
    token = ServiceTokenSigner("courses", keys).token(audience="users")
    verifier = ServiceTokenVerifier(keys)
    verifier.verify(token, audience="users")
    with pytest.raises(ServiceTokenRefused):
        verifier.verify(token, audience="progress")


def test_no_service_can_speak_for_another(keys: ServiceKeys) -> None:
    keys.private("content")
    with pytest.raises(ServiceTokenRefused):
        ServiceTokenVerifier(keys).verify(forged(keys, signer="content"), audience="users")
    own_name = thumbprint(keys.private("courses").public_key())
    with pytest.raises(ServiceTokenRefused):
        ServiceTokenVerifier(keys).verify(forged(keys, signer="content", kid=own_name), audience="users")


@pytest.mark.parametrize(
    "changes",
    [
        {"typ": "access"},
        {"iss": "nobody"},
        {"iss": "../courses"},
        {"aud": ...},
        {"iat": ...},
        {"exp": ...},
        {"exp": "later"},
        {"exp": 99_999_999_999},
    ],
)
def test_it_refuses_a_claim_that_is_wrong_or_missing(keys: ServiceKeys, changes: dict[str, Any]) -> None:
    with pytest.raises(ServiceTokenRefused):
        ServiceTokenVerifier(keys).verify(forged(keys, **changes), audience="users")


def test_it_refuses_one_that_was_made_for_later(keys: ServiceKeys) -> None:
    later = int((clock.utc_now() + timedelta(days=3650)).timestamp())
    with pytest.raises(ServiceTokenRefused):
        ServiceTokenVerifier(keys).verify(forged(keys, iat=later, exp=later + 60), audience="users")


def test_a_clock_that_is_some_seconds_ahead_makes_good_ones(keys: ServiceKeys) -> None:
    clock.turn(timedelta(seconds=9))
    token = ServiceTokenSigner("courses", keys).token(audience="users")
    clock.reset()
    assert ServiceTokenVerifier(keys).verify(token, audience="users").name == "courses"


@pytest.mark.parametrize("text", ["", "a.b.c", "é.ü.ö", "e30.e30."])
def test_it_refuses_any_other_text(keys: ServiceKeys, text: str) -> None:
    with pytest.raises(ServiceTokenRefused):
        ServiceTokenVerifier(keys).verify(text, audience="users")


def test_it_expires_even_after_it_was_verified(keys: ServiceKeys) -> None:
    token = ServiceTokenSigner("courses", keys).token(audience="users")
    verifier = ServiceTokenVerifier(keys)
    verifier.verify(token, audience="users")
    clock.turn(timedelta(seconds=71))
    with pytest.raises(ServiceTokenRefused):
        verifier.verify(token, audience="users")


def test_a_signer_uses_a_token_for_half_its_life(keys: ServiceKeys) -> None:
    signer = ServiceTokenSigner("courses", keys)
    first = signer.token(audience="users")
    assert signer.token(audience="users") == first
    assert signer.token(audience="progress") != first
    clock.turn(timedelta(seconds=31))
    assert signer.token(audience="users") != first


def test_a_clock_set_back_makes_a_new_token(keys: ServiceKeys) -> None:
    signer = ServiceTokenSigner("courses", keys)
    clock.turn(timedelta(hours=1))
    ahead = signer.token(audience="users")
    clock.reset()
    assert signer.token(audience="users") != ahead


def test_only_the_owner_can_read_a_private_key(keys: ServiceKeys) -> None:
    keys.private("courses")
    assert stat.S_IMODE((keys.folder / "courses.key").stat().st_mode) == 0o600


def test_all_who_race_share_one_key(keys: ServiceKeys) -> None:
    def sign(_: int) -> str:
        return ServiceTokenSigner("courses", keys).token(audience="users")

    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(sign, range(8)))
    verifier = ServiceTokenVerifier(keys)
    assert {verifier.verify(token, audience="users").name for token in tokens} == {"courses"}


def test_a_new_key_counts_beside_the_old_one(keys: ServiceKeys, tmp_path: Path) -> None:
    verifier = ServiceTokenVerifier(keys)
    verifier.verify(ServiceTokenSigner("courses", keys).token(audience="users"), audience="users")
    new = ServiceKeys(tmp_path / "new")
    pem = new.private("courses").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with (keys.folder / "courses.pub").open("ab") as file:
        file.write(pem)
    verifier.verify(ServiceTokenSigner("courses", new).token(audience="users"), audience="users")
    verifier.verify(ServiceTokenSigner("courses", keys).token(audience="users"), audience="users")


def test_production_makes_no_keys(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing):
        ServiceTokenSigner("courses", ServiceKeys(tmp_path, make=False))


def test_a_file_that_holds_no_key_is_named(keys: ServiceKeys) -> None:
    keys.folder.mkdir()
    (keys.folder / "courses.key").write_text("nothing")
    with pytest.raises(SecretMissing, match=r"courses\.key"):
        keys.private("courses")
    (keys.folder / "courses.pub").write_text("nothing")
    assert keys.public("courses") == {}
