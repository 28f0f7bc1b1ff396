"""Access tokens: EdDSA (Ed25519, RFC 8037) JSON Web Tokens, signed by users, verified by every service for itself."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Protocol, get_args
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from moocflix.platform.auth.keys import PublishedKey
from moocflix.platform.auth.principal import Principal, Role
from moocflix.platform.clock import utc_now
from moocflix.platform.errors import Unauthorized, Unavailable

ALGORITHMS = ("EdDSA",)
ISSUER = "moocflix/users"
AUDIENCE = "moocflix"
TYPE = "access"

_CLAIMS = ["iss", "aud", "typ", "sub", "sid", "role", "gen", "iat", "exp"]
# PyJWT would ask the machine's clock; ours can be turned.
_OPTIONS: Any = {"require": _CLAIMS, "verify_exp": False, "verify_iat": False, "verify_nbf": False}
_ROLES = frozenset(get_args(Role))


class TokenRefused(Unauthorized):
    """A token that does not count, and why."""

    def __init__(self, reason: str = "is not valid") -> None:
        super().__init__(f"The access token {reason}.")


class UnknownKey(TokenRefused):
    """Signed with a key that this process does not know, or not yet."""


class KeysMissing(Unavailable):
    """No token can be told from a forged one before the keys were fetched once."""

    def __init__(self) -> None:
        super().__init__("The keys that sign access tokens are not at hand; try again soon.")


class KeySource(Protocol):
    """Where the published keys come from."""

    async def fetch(self) -> Sequence[PublishedKey]:
        """All keys whose tokens count. Raises Unavailable."""


class Revoked(Protocol):
    """What tells of tokens that were ended before they expired."""

    def is_revoked(self, *, session_id: UUID, user_id: UUID, generation: int) -> bool:
        """Whether a token of this session and generation no longer counts."""


@dataclass(frozen=True, slots=True)
class AccessTokenSigner:
    """Makes access tokens with one key."""

    kid: str
    key: Ed25519PrivateKey
    lifetime: timedelta

    def sign(self, *, user_id: UUID, session_id: UUID, role: Role, generation: int, now: datetime) -> str:
        """A token for this session, good from `now` on for the signer's lifetime."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "typ": TYPE,
            "sub": str(user_id),
            "sid": str(session_id),
            "role": role,
            "gen": generation,
            "iat": int(now.timestamp()),
            "exp": int((now + self.lifetime).timestamp()),
        }
        return jwt.encode(claims, self.key, algorithm="EdDSA", headers={"kid": self.kid})


class TokenVerifier:
    """Tells who a token speaks for, without asking anybody.

    A signature takes some 150 us to check, so verified tokens are kept by their hash until they expire; whether
    one has been revoked is asked each time.
    """

    def __init__(
        self, keys: KeySource, revocations: Revoked, *, keep: int = 20_000, refresh_seconds: float = 5.0
    ) -> None:
        """`keep` bounds the verified tokens held; the keys are fetched at most every `refresh_seconds`."""
        self._source = keys
        self._revocations = revocations
        self._keep = keep
        self._refresh_seconds = refresh_seconds
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._verified: dict[bytes, Principal] = {}
        self._asked_at = self._fetched_at = float("-inf")
        self._refreshing = asyncio.Lock()

    def verify(self, token: str) -> Principal:
        """Who the token speaks for. Raises TokenRefused; UnknownKey where fetching the keys may help."""
        digest = hashlib.sha256(token.encode()).digest()
        principal = self._verified.get(digest)
        now = utc_now()
        if principal is None:
            principal = self._check_signature(token)
            self._hold(digest, principal, now)
        if now >= principal.expires_at:
            self._verified.pop(digest, None)
            raise TokenRefused("has expired")
        if self._revocations.is_revoked(
            session_id=principal.session_id, user_id=principal.id, generation=principal.generation
        ):
            raise TokenRefused("has been revoked")
        return principal

    async def verify_with_fresh_keys(self, token: str) -> Principal:
        """As `verify`; an unknown key is looked for at its source first, unless that was just done."""
        try:
            return self.verify(token)
        except UnknownKey:
            if not await self.refresh_keys() and not self.has_keys:
                raise KeysMissing from None
        return self.verify(token)

    async def refresh_keys(self, *, at_once: bool = False) -> bool:
        """Fetch the keys anew; False where that was tried too lately to try again. Raises Unavailable.

        `at_once` passes over that limit: for the process's start and its own schedule, never for a caller's token.
        """
        wanted_at = monotonic()
        async with self._refreshing:
            if self._fetched_at >= wanted_at:
                return True
            if not at_once and monotonic() - self._asked_at < self._refresh_seconds:
                return False
            self._asked_at = monotonic()
            self.use_keys(await self._source.fetch())
            self._fetched_at = monotonic()
        return True

    def use_keys(self, published: Sequence[PublishedKey]) -> None:
        """From now on these keys count, and tokens under others no longer."""
        keys = {key.kid: key.public_key for key in published}
        if self._keys.keys() - keys.keys():
            self._verified.clear()
        self._keys = keys

    def published(self) -> list[PublishedKey]:
        """The keys that count, in the order of their names."""
        return [PublishedKey(kid, key) for kid, key in sorted(self._keys.items())]

    @property
    def has_keys(self) -> bool:
        """Whether any token can be verified at all."""
        return bool(self._keys)

    def _check_signature(self, token: str) -> Principal:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self._keys.get(kid) if isinstance(kid, str) else None
            if key is None:
                raise UnknownKey
            claims = jwt.decode(
                token, key, algorithms=list(ALGORITHMS), issuer=ISSUER, audience=AUDIENCE, options=_OPTIONS
            )
            return _principal(claims)
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError):
            raise TokenRefused from None

    def _hold(self, digest: bytes, principal: Principal, now: datetime) -> None:
        if len(self._verified) >= self._keep:
            self._verified = {key: held for key, held in self._verified.items() if held.expires_at > now}
        while len(self._verified) >= self._keep:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = principal


def _principal(claims: dict[str, Any]) -> Principal:
    role, generation, expires_at = claims["role"], claims["gen"], claims["exp"]
    if claims["typ"] != TYPE or role not in _ROLES or type(generation) is not int or type(expires_at) is not int:
        raise ValueError(role)
    return Principal(
        id=UUID(claims["sub"]),
        role=role,
        session_id=UUID(claims["sid"]),
        generation=generation,
        expires_at=datetime.fromtimestamp(expires_at, UTC),
    )
