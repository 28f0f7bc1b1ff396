"""The key that signs access tokens now, as the process that issues them knows it."""

from moocflix.platform.auth.tokens import AccessTokenSigner
from moocflix.platform.expiring import Remembered


class CurrentSigner(Remembered[AccessTokenSigner]):
    """Asked for every few seconds, so that a rotation by another process comes into use here."""
