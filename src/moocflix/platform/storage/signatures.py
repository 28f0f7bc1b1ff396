"""Signed, expiring paths to files in the local folder, as S3 has its presigned URLs."""

import base64
import hashlib
import hmac
import re
from datetime import datetime

from moocflix.platform.storage.port import SignedMethod

FILES_PATH = "/api/v1/files"

_SIGNATURE = re.compile(r"([0-9a-f]{1,12})-([A-Za-z0-9_-]{43})")


def sign(secret: bytes, *, method: SignedMethod, key: str, expires: int) -> str:
    """The one path segment that grants `method` on `key` until `expires`, in seconds since 1970."""
    return f"{expires:x}-{_mac(secret, method=method, key=key, expires=expires)}"


def grants(secret: bytes, signature: str, *, method: SignedMethod, key: str, now: datetime) -> bool:
    """Whether the segment was signed by us for just this, and still counts."""
    found = _SIGNATURE.fullmatch(signature)
    if found is None:
        return False
    expires = int(found[1], 16)
    expected = _mac(secret, method=method, key=key, expires=expires)
    return hmac.compare_digest(found[2], expected) and now.timestamp() < expires


def _mac(secret: bytes, *, method: SignedMethod, key: str, expires: int) -> str:
    digest = hmac.digest(secret, f"{method}\n{expires}\n{key}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
