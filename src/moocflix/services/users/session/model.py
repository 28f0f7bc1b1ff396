"""A session: one device that somebody signed in on. Its refresh token changes with each use."""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from moocflix.platform.auth.principal import Role
from moocflix.platform.errors import NotFound, Unauthorized
from moocflix.services.users.settings import UsersSettings

MAX_USER_AGENT = 300


class RefreshTokenRefused(Unauthorized):
    """Never given out, expired, or of a session that has ended: which of them is not said."""

    def __init__(self) -> None:
        super().__init__("The refresh token is not valid; sign in again.")


class RefreshTokenReused(Unauthorized):
    """Two hold the same token, one of them a thief: the whole session ends, and that it does is kept."""

    keeps_writes = True

    def __init__(self) -> None:
        super().__init__("This refresh token was used before; its session has ended for safety. Sign in again.")


class SessionNotFound(NotFound):
    def __init__(self, session_id: UUID) -> None:
        super().__init__(f"You have no session {session_id}.")


class Lives(msgspec.Struct, frozen=True, kw_only=True):
    """How long things of a session last."""

    refresh_token: timedelta
    session: timedelta
    revocation: timedelta

    @classmethod
    def of(cls, settings: UsersSettings) -> "Lives":
        """As the settings say."""
        return cls(
            refresh_token=timedelta(days=settings.refresh_token_days),
            session=timedelta(days=settings.session_days),
            revocation=timedelta(hours=settings.revocation_hours),
        )


class NewSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session about to be opened, with its first refresh token."""

    id: UUID
    refresh_token: str
    user_agent: str | None
    client_address: str
    created_at: datetime
    lives: Lives

    @property
    def expires_at(self) -> datetime:
        """When it ends, however much it is used."""
        return self.created_at + self.lives.session

    @property
    def refresh_by(self) -> datetime:
        """When its first refresh token expires."""
        return min(self.created_at + self.lives.refresh_token, self.expires_at)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """An open session, as its owner sees it."""

    id: UUID
    user_agent: str | None
    client_address: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What an access token of a session is to state."""

    user_id: UUID
    session_id: UUID
    role: Role
    generation: int


class Reuse(msgspec.Struct, frozen=True, kw_only=True):
    """Whose open session it is whose refresh token was used already."""

    session_id: UUID
    user_id: UUID


def digest(refresh_token: str) -> bytes:
    """What is stored of a refresh token. It is random enough to need no slow hash."""
    return hashlib.sha256(refresh_token.encode()).digest()
