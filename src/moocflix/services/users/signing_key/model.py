"""A signing key: an Ed25519 pair whose private half the database keeps sealed."""

from datetime import datetime, timedelta

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from moocflix.platform.auth.keys import PublishedKey, thumbprint
from moocflix.platform.auth.published import JsonWebKeySet
from moocflix.platform.auth.tokens import AccessTokenSigner
from moocflix.platform.errors import Unavailable
from moocflix.platform.expiring import Remembered
from moocflix.platform.sealing import Seal, SealBroken
from moocflix.platform.settings import SettingsError

PURPOSE = "signing keys"
"""What the secret's key is drawn for that seals the private halves."""

LEAD = timedelta(minutes=2)
"""For how long a new key is published before it signs: longer than processes, gateways and caches keep the old set."""

SLACK = timedelta(minutes=2)
"""For how long a process may go on signing with a key after another one signs, its clock included."""


class PublishedKeys(Remembered[JsonWebKeySet]):
    """What anybody may ask for, as it was a moment ago."""


class SecretDoesNotFit(SettingsError):
    def __init__(self, kid: str) -> None:
        super().__init__(
            f"The signing key {kid} was sealed with another secret `users` than this process has. Give it the right "
            "one, or make a new key with `moocflix users rotate-keys --at-once`: everybody then renews their token."
        )


class NoSigningKey(Unavailable):
    def __init__(self) -> None:
        super().__init__("There is no key to sign access tokens with.")


class SigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as its row has it; `published_until` is None for the newest one."""

    kid: str
    public_key: bytes
    sealed_private_key: bytes
    created_at: datetime
    signs_from: datetime
    published_until: datetime | None = None

    @classmethod
    def new(cls, *, seal: Seal, now: datetime, lead: timedelta = timedelta()) -> "SigningKey":
        """A fresh pair, which signs when it has been published for `lead`."""
        private = Ed25519PrivateKey.generate()
        public = private.public_key()
        kid = thumbprint(public)
        return cls(
            kid=kid,
            public_key=public.public_bytes_raw(),
            sealed_private_key=seal.close(private.private_bytes_raw(), about=kid.encode()),
            created_at=now,
            signs_from=now + lead,
        )

    def signer(self, *, seal: Seal, lifetime: timedelta) -> AccessTokenSigner:
        """What signs with it. Raises SecretDoesNotFit."""
        try:
            private = seal.open(self.sealed_private_key, about=self.kid.encode())
        except SealBroken:
            raise SecretDoesNotFit(self.kid) from None
        return AccessTokenSigner(self.kid, Ed25519PrivateKey.from_private_bytes(private), lifetime)

    def published(self) -> PublishedKey:
        """Its public half."""
        return PublishedKey(self.kid, Ed25519PublicKey.from_public_bytes(self.public_key))
