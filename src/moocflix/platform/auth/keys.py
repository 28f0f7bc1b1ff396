"""Public Ed25519 keys under their names, and as a JSON Web Key Set tells of them (RFC 7517, RFC 8037)."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from moocflix.platform.auth.published import JsonWebKey


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A public key under its name."""

    kid: str
    public_key: Ed25519PublicKey

    @classmethod
    def of(cls, public_key: Ed25519PublicKey) -> "PublishedKey":
        """The key, named by its thumbprint."""
        return cls(thumbprint(public_key), public_key)

    @classmethod
    def from_jwk(cls, jwk: JsonWebKey) -> "PublishedKey":
        """The key that a key set tells of. Raises ValueError where its bytes are none."""
        raw = urlsafe_b64decode(jwk.x + "=" * (-len(jwk.x) % 4))
        return cls(jwk.kid, Ed25519PublicKey.from_public_bytes(raw))

    def to_jwk(self) -> JsonWebKey:
        """The key as a key set tells of it."""
        return JsonWebKey(kid=self.kid, x=_b64(self.public_key.public_bytes_raw()))


def thumbprint(public_key: Ed25519PublicKey) -> str:
    """The key's name, out of itself (RFC 7638)."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": _b64(public_key.public_bytes_raw())}
    return _b64(hashlib.sha256(msgspec.json.encode(members, order="sorted")).digest())


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
