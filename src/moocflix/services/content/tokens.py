"""Playback tokens: one path segment that lets a player, which sends no header, read one video's playlists and segments.

A token is bound to a person, a session, a video and one set of renditions, and to the time when it ends. Checking one
asks nobody: an HMAC, the clock, and the set of revocations that the process holds.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from moocflix.platform.auth.principal import Principal
from moocflix.platform.auth.tokens import Revoked
from moocflix.platform.errors import Unauthorized

_FIELDS = struct.Struct(">BQI16s16s16s16s")
_VERSION = 1
_MAC_BYTES = 16
_LENGTH = (_FIELDS.size + _MAC_BYTES) * 4 // 3 + 4
_NOBODY = UUID(int=0)


class PlaybackRefused(Unauthorized):
    """A playback token that does not count, or no longer."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The playback token {reason}: read the stream's playlist again.")


@dataclass(frozen=True, slots=True)
class Playback:
    """What a token grants: one set of renditions of one video."""

    video_id: UUID
    request_id: UUID


class PlaybackTokens:
    """Makes and checks playback tokens."""

    def __init__(self, secret: bytes, *, seconds: int, revoked: Revoked) -> None:
        """Tokens count for so many seconds, unless their session or all of their person's sessions end before."""
        self._secret = secret
        self._seconds = seconds
        self._revoked = revoked

    def issue(self, playback: Playback, *, caller: Principal | None, now: datetime) -> str:
        """A token for this person; for nobody in particular where the video may be watched by anybody."""
        fields = _FIELDS.pack(
            _VERSION,
            int(now.timestamp()) + self._seconds,
            caller.generation if caller else 0,
            playback.video_id.bytes,
            playback.request_id.bytes,
            (caller.id if caller else _NOBODY).bytes,
            (caller.session_id if caller else _NOBODY).bytes,
        )
        return _encoded(fields + self._mac(fields))

    def read(self, token: str, *, now: datetime) -> Playback:
        """What the token grants. Raises PlaybackRefused."""
        content = _decoded(token)
        fields, mac = content[: _FIELDS.size], content[_FIELDS.size :]
        if len(content) != _FIELDS.size + _MAC_BYTES or not hmac.compare_digest(mac, self._mac(fields)):
            raise PlaybackRefused("is not valid")
        _, expires, generation, video_id, request_id, user_id, session_id = _FIELDS.unpack(fields)
        if now.timestamp() >= expires:
            raise PlaybackRefused("has expired")
        person = UUID(bytes=user_id)
        if person != _NOBODY and self._revoked.is_revoked(
            session_id=UUID(bytes=session_id), user_id=person, generation=generation
        ):
            raise PlaybackRefused("has been revoked")
        return Playback(video_id=UUID(bytes=video_id), request_id=UUID(bytes=request_id))

    def _mac(self, fields: bytes) -> bytes:
        return hmac.digest(self._secret, fields, hashlib.sha256)[:_MAC_BYTES]


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(token: str) -> bytes:
    if len(token) > _LENGTH:
        return b""
    try:
        content = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return b""
    # One spelling alone: each that counts has an allowance of requests of its own.
    return content if _encoded(content) == token else b""
