"""Service tokens: a calling service signs with its own key that it is the caller, for one called service.

Each service's private key is `<name>.key` in the folder of service keys, its public one `<name>.pub`, both PEM. A
production process needs its own private key and everybody's public ones there; a public file may hold several keys,
so that a new one is known before it signs. The embedded default makes them itself.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from moocflix.platform.auth.keys import PublishedKey, thumbprint
from moocflix.platform.auth.principal import ServicePrincipal
from moocflix.platform.clock import utc_now
from moocflix.platform.errors import Unauthorized
from moocflix.platform.secrets import SecretMissing, Secrets, read_or_make

TYPE = "service"
LIFETIME = timedelta(seconds=60)
LEEWAY = timedelta(seconds=10)
"""How far the clocks of two machines may differ."""

_RENEW_BEFORE = timedelta(seconds=30)
_KEEP = 1000
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\n?", re.DOTALL)
_CLAIMS = ["iss", "aud", "typ", "iat", "exp"]
_OPTIONS: Any = {"require": _CLAIMS, "verify_exp": False, "verify_iat": False, "verify_nbf": False}


class ServiceTokenRefused(Unauthorized):
    """A service token that does not count."""

    def __init__(self) -> None:
        super().__init__("The service token is not valid.")


@dataclass(frozen=True, slots=True)
class ServiceKeys:
    """The services' keys in a folder."""

    folder: Path
    make: bool = True

    @classmethod
    def of(cls, secrets: Secrets) -> "ServiceKeys":
        """Those beside the platform's other secrets."""
        return cls(secrets.folder / "service-keys", make=secrets.make)

    def private(self, service: str) -> Ed25519PrivateKey:
        """The service's own key; the embedded default makes it. Raises SecretMissing."""
        path = self.folder / f"{_checked(service)}.key"
        pem = read_or_make(path, make=_new_private_key if self.make else None)
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise SecretMissing(f"{path} holds no private key in PEM.") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise SecretMissing(f"The private key in {path} is not an Ed25519 key.")
        if self.make:
            read_or_make(self.folder / f"{service}.pub", make=lambda: _public_pem(key.public_key()))
        return key

    def public(self, service: str) -> dict[str, Ed25519PublicKey]:
        """The service's public keys by their names; none where the service is not known."""
        try:
            content = (self.folder / f"{_checked(service)}.pub").read_bytes()
            keys = [load_pem_public_key(pem) for pem in _PEM.findall(content)]
        except (OSError, ValueError):
            return {}
        published = [PublishedKey.of(key) for key in keys if isinstance(key, Ed25519PublicKey)]
        return {key.kid: key.public_key for key in published}


class ServiceTokenSigner:
    """Makes the tokens with which one service calls others; each is used for half its life."""

    def __init__(self, service: str, keys: ServiceKeys) -> None:
        """The key is read, or made, here."""
        self.service = service
        self._key = keys.private(service)
        self._kid = thumbprint(self._key.public_key())
        self._held: dict[str, tuple[str, datetime]] = {}

    def token(self, *, audience: str) -> str:
        """A token for calls to this service."""
        now = utc_now()
        held = self._held.get(audience)
        if held is None or not now < held[1] - _RENEW_BEFORE < now + LIFETIME:
            held = self._sign(audience, now), now + LIFETIME
            self._held[audience] = held
        return held[0]

    def _sign(self, audience: str, now: datetime) -> str:
        claims = {
            "iss": self.service,
            "aud": audience,
            "typ": TYPE,
            "jti": uuid4().hex,
            "iat": int(now.timestamp()),
            "exp": int((now + LIFETIME).timestamp()),
        }
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self._kid})


class ServiceTokenVerifier:
    """Tells which service calls, for the process that serves the called one."""

    def __init__(self, keys: ServiceKeys) -> None:
        """Public keys are read when a service first calls."""
        self._keys = keys
        self._public: dict[str, dict[str, Ed25519PublicKey]] = {}
        self._verified: dict[tuple[str, str], tuple[ServicePrincipal, float]] = {}

    def verify(self, token: str, *, audience: str) -> ServicePrincipal:
        """Which service calls `audience`. Raises ServiceTokenRefused."""
        now = utc_now().timestamp()
        found = self._verified.get((token, audience))
        if found is None:
            found = self._check_signature(token, audience)
            if len(self._verified) >= _KEEP:
                self._verified.clear()
            self._verified[token, audience] = found
        principal, expires_at = found
        if now >= expires_at + LEEWAY.total_seconds():
            self._verified.pop((token, audience), None)
            raise ServiceTokenRefused
        return principal

    def _check_signature(self, token: str, audience: str) -> tuple[ServicePrincipal, float]:
        try:
            # Read before it is checked, only to find the key that checks it.
            unchecked = jwt.decode(token, options={"verify_signature": False})
            issuer, kid = unchecked.get("iss"), jwt.get_unverified_header(token).get("kid")
            if not isinstance(issuer, str) or not isinstance(kid, str):
                raise ServiceTokenRefused
            key = self._key(issuer, kid)
            if key is None:
                raise ServiceTokenRefused
            claims = jwt.decode(token, key, algorithms=["EdDSA"], issuer=issuer, audience=audience, options=_OPTIONS)
            expires_at = claims["exp"]
            if claims["typ"] != TYPE or type(expires_at) is not int:
                raise ServiceTokenRefused
            # Whoever holds a key for a moment may not make a token that outlives the others, nor one for later.
            if expires_at - utc_now().timestamp() > (LIFETIME + LEEWAY).total_seconds():
                raise ServiceTokenRefused
            return ServicePrincipal(issuer), float(expires_at)
        except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError):
            raise ServiceTokenRefused from None

    def _key(self, issuer: str, kid: str) -> Ed25519PublicKey | None:
        if not _NAME.match(issuer):
            return None
        if kid not in self._public.get(issuer, {}):
            self._public[issuer] = self._keys.public(issuer)
        return self._public[issuer].get(kid)


def _checked(service: str) -> str:
    if not _NAME.match(service):
        raise ValueError(service)
    return service


def _new_private_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
