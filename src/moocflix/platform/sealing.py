"""Sealing: what the database keeps but must not be able to read (AES-256-GCM)."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_FORM = b"\x01"
_NONCE_BYTES = 12


class SealBroken(Exception):
    """The bytes were not sealed with this key for this purpose."""


class Seal:
    """Seals and opens with one key. `about` ties a sealed value to its place: moved elsewhere, it does not open."""

    def __init__(self, key: bytes) -> None:
        """`key` has 32 bytes."""
        self._cipher = AESGCM(key)

    def close(self, plain: bytes, *, about: bytes) -> bytes:
        """The sealed bytes."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORM + nonce + self._cipher.encrypt(nonce, plain, about)

    def open(self, sealed: bytes, *, about: bytes) -> bytes:
        """The plain bytes. Raises SealBroken."""
        start = len(_FORM) + _NONCE_BYTES
        if sealed[: len(_FORM)] != _FORM:
            raise SealBroken
        try:
            return self._cipher.decrypt(sealed[len(_FORM) : start], sealed[start:], about)
        except (InvalidTag, ValueError):
            raise SealBroken from None


def derive_key(secret: bytes, *, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose, so that one secret can serve several and none tells of another."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(secret)
