"""Access tokens: what counts, what does not, and that a verified one is cheap to see again."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as some

from moocflix.platform import clock
from moocflix.platform.auth.keys import PublishedKey, thumbprint
from moocflix.platform.auth.tokens import (
    AccessTokenSigner,
    KeysMissing,
    TokenRefused,
    TokenVerifier,
    UnknownKey,
)
from moocflix.platform.errors import Unavailable
from moocflix.platform.ids import new_id

USER, SESSION = new_id(), new_id()
KEY = Ed25519PrivateKey.generate()
OTHER_KEY = Ed25519PrivateKey.generate()


@dataclass
class Keys:
    """A source of keys that counts how often it is asked."""

    published: list[Ed25519PrivateKey] = field(default_factory=lambda: [KEY])
    asked: int = 0
    away: bool = False

    async def fetch(self) -> Sequence[PublishedKey]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable
        return [PublishedKey.of(key.public_key()) for key in self.published]


@dataclass
class Ended:
    """Sessions that were ended, with user and generation."""

    tokens: set[tuple[UUID, UUID, int]] = field(default_factory=set)

    def is_revoked(self, *, session_id: UUID, user_id: UUID, generation: int) -> bool:
        return (session_id, user_id, generation) in self.tokens


@pytest.fixture(autouse=True)
def real_time() -> Iterator[None]:
    yield
    clock.reset()


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def ended() -> Ended:
    return Ended()


@pytest.fixture
async def verifier(keys: Keys, ended: Ended) -> TokenVerifier:
    verifier = TokenVerifier(keys, ended)
    await verifier.refresh_keys()
    return verifier


def token(key: Ed25519PrivateKey = KEY, **claims: Any) -> str:
    signer = AccessTokenSigner(thumbprint(key.public_key()), key, timedelta(minutes=15))
    facts: dict[str, Any] = {"user_id": USER, "session_id": SESSION, "role": "student", "generation": 3}
    return signer.sign(**{**facts, "now": clock.utc_now(), **claims})


def forged(key: Any = KEY, *, algorithm: str = "EdDSA", kid: Any = None, **changes: Any) -> str:
    claims = jwt.decode(token(), options={"verify_signature": False})
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not ...}
    kid = thumbprint(KEY.public_key()) if kid is None else kid
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})


def test_it_says_who_the_token_speaks_for(verifier: TokenVerifier) -> None:
    principal = verifier.verify(token())
    assert (principal.id, principal.session_id, principal.role, principal.generation) == (USER, SESSION, "student", 3)
    assert timedelta(minutes=14) < principal.expires_at - clock.utc_now() <= timedelta(minutes=15)


def test_a_token_names_its_key_and_carries_exactly_the_agreed_claims() -> None:
    assert jwt.get_unverified_header(token()) == {"alg": "EdDSA", "kid": thumbprint(KEY.public_key()), "typ": "JWT"}
    claims = jwt.decode(token(), options={"verify_signature": False})
    assert set(claims) == {"iss", "aud", "typ", "sub", "sid", "role", "gen", "iat", "exp"}
    assert claims["exp"] - claims["iat"] == 900


def test_it_expires_even_after_it_was_verified(verifier: TokenVerifier) -> None:
    known = token()
    verifier.verify(known)
    clock.turn(timedelta(minutes=15))
    with pytest.raises(TokenRefused, match="expired"):
        verifier.verify(known)


def test_a_revoked_one_is_refused_even_after_it_was_verified(verifier: TokenVerifier, ended: Ended) -> None:
    known = token()
    verifier.verify(known)
    ended.tokens.add((SESSION, USER, 3))
    with pytest.raises(TokenRefused, match="revoked"):
        verifier.verify(known)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"aud": "elsewhere"},
        {"typ": "service"},
        {"role": "owner"},
        {"role": ["admin"]},
        {"gen": "3"},
        {"gen": True},
        {"exp": "tomorrow"},
        {"exp": 1e300},
        {"exp": 10**30},
        {"sub": "me"},
        {"sid": "mine"},
        *({claim: ...} for claim in ("iss", "aud", "typ", "sub", "sid", "role", "gen", "iat", "exp")),
    ],
)
def test_it_refuses_a_claim_that_is_wrong_or_missing(verifier: TokenVerifier, changes: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused):
        verifier.verify(forged(**changes))


def test_it_refuses_another_key_under_a_known_name(verifier: TokenVerifier) -> None:
    with pytest.raises(TokenRefused):
        verifier.verify(forged(OTHER_KEY))


def test_it_refuses_a_token_without_a_signature(verifier: TokenVerifier) -> None:
    with pytest.raises(TokenRefused):
        verifier.verify(forged(None, algorithm="none"))


def test_it_refuses_the_public_key_as_a_shared_secret(verifier: TokenVerifier) -> None:
    with pytest.raises(TokenRefused):
        verifier.verify(forged(KEY.public_key().public_bytes_raw(), algorithm="HS256"))


@given(some.text())
def test_it_refuses_any_text_without_a_fault(text: str) -> None:
    verifier = TokenVerifier(Keys(), Ended())
    with pytest.raises(TokenRefused):
        verifier.verify(text)


@given(place=some.integers(min_value=0), letter=some.sampled_from("ABCxyz019-_."))
def test_it_refuses_a_token_with_one_letter_changed(place: int, letter: str) -> None:
    verifier = TokenVerifier(Keys(), Ended())
    verifier.use_keys([PublishedKey.of(KEY.public_key())])
    good = token()
    # The last letter of a signature has bits that mean nothing.
    place %= len(good) - 1
    changed = good[:place] + letter + good[place + 1 :]
    if changed != good:
        with pytest.raises(TokenRefused):
            verifier.verify(changed)


async def test_a_key_that_was_just_made_is_fetched(verifier: TokenVerifier, keys: Keys) -> None:
    verifier = TokenVerifier(keys, Ended(), refresh_seconds=0)
    await verifier.refresh_keys()
    keys.published.append(OTHER_KEY)
    assert (await verifier.verify_with_fresh_keys(token(OTHER_KEY))).id == USER


async def test_unknown_keys_do_not_make_it_fetch_each_time(verifier: TokenVerifier, keys: Keys) -> None:
    for _ in range(20):
        with pytest.raises(UnknownKey):
            await verifier.verify_with_fresh_keys(token(Ed25519PrivateKey.generate()))
    assert keys.asked == 1


async def test_a_hundred_tokens_under_a_new_key_fetch_it_once(keys: Keys) -> None:
    verifier = TokenVerifier(keys, Ended())
    principals = await asyncio.gather(*(verifier.verify_with_fresh_keys(token(gen)) for gen in [KEY] * 100))
    assert {principal.id for principal in principals} == {USER}
    assert keys.asked == 1


async def test_without_any_key_it_is_unavailable_rather_than_refused(keys: Keys) -> None:
    keys.away = True
    verifier = TokenVerifier(keys, Ended())
    with pytest.raises(Unavailable):
        await verifier.verify_with_fresh_keys(token())
    with pytest.raises(KeysMissing):
        await verifier.verify_with_fresh_keys(token())


async def test_tokens_of_a_withdrawn_key_count_no_longer(verifier: TokenVerifier, keys: Keys) -> None:
    known = token()
    verifier.verify(known)
    keys.published = [OTHER_KEY]
    await verifier.refresh_keys(at_once=True)
    with pytest.raises(UnknownKey):
        verifier.verify(known)


def test_it_keeps_no_more_verified_tokens_than_it_may(keys: Keys, ended: Ended) -> None:
    verifier = TokenVerifier(keys, ended, keep=10)
    verifier.use_keys([PublishedKey.of(KEY.public_key())])
    for generation in range(50):
        verifier.verify(token(generation=generation))
    assert len(verifier._verified) == 10  # noqa: SLF001 - what it holds cannot be seen otherwise


def test_a_public_key_survives_its_journey_as_json() -> None:
    key = PublishedKey.of(KEY.public_key())
    assert PublishedKey.from_jwk(key.to_jwk()).public_key.public_bytes_raw() == KEY.public_key().public_bytes_raw()
    assert key.to_jwk().kid == key.kid


def test_a_key_is_named_as_rfc_8037_says() -> None:
    """The example of RFC 8037, appendix A.3."""
    jwk = PublishedKey.of(KEY.public_key()).to_jwk()
    example = PublishedKey.from_jwk(
        type(jwk)(kid="", x="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),  # pragma: allowlist secret
    )
    assert thumbprint(example.public_key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"  # pragma: allowlist secret
