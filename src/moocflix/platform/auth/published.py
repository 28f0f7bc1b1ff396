"""What users tells every service, so that each can tell good tokens from bad ones by itself."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec


class JsonWebKey(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A public key that signs access tokens (RFC 7517, RFC 8037)."""

    kid: str
    x: str
    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"


class JsonWebKeySet(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`GET /.well-known/jwks.json`, `GET /internal/signing-keys`: the keys whose tokens count."""

    keys: list[JsonWebKey]


class Revocation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An ended session, or a user whose tokens of `generation` and below no longer count.

    `number` orders revocations, for `GET /internal/revocations?after=`; after `expires_at` every token that it
    speaks of has expired by itself.
    """

    number: int
    session_id: UUID | None
    user_id: UUID | None
    generation: int | None
    expires_at: datetime


class RevocationList(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`GET /internal/revocations?after=`: those after a number, oldest first, at most REVOCATIONS_PAGE of them.

    `last` is the highest number given out so far.
    """

    revocations: list[Revocation]
    last: int


REVOCATIONS_PAGE = 1000
REVOCATIONS_CHANNEL = "moocflix_revocations"
"""What users notifies on its database's LISTEN channel when there are new revocations."""
