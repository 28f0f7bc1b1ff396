"""What sessions look like from outside."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from moocflix.platform.auth.tokens import AccessTokenSigner
from moocflix.platform.errors import Invalid
from moocflix.platform.http.pagination import next_cursor
from moocflix.platform.http.reply import Body
from moocflix.platform.http.request import Request
from moocflix.platform.ids import new_id
from moocflix.services.users.credential.model import MAX_EMAIL, MAX_PASSWORD, LoginName, email_key, phone_key
from moocflix.services.users.session.model import MAX_USER_AGENT, Grant, Lives, NewSession, Session
from moocflix.services.users.settings import UsersSettings


class ProviderNotSetUp(Invalid):
    def __init__(self, provider: str) -> None:
        super().__init__(f"Signing in with {provider} is not set up here.", field="provider")


class LoginIn(Body):
    """`email` or `phone` with `password`; or what a provider vouches for, which is refused: none is set up yet."""

    email: Annotated[str, Meta(max_length=MAX_EMAIL)] | None = None
    phone: Annotated[str, Meta(max_length=40)] | None = None
    password: Annotated[str, Meta(max_length=MAX_PASSWORD)] | None = None
    provider: Annotated[str, Meta(max_length=40)] | None = None
    provider_user_id: Annotated[str, Meta(max_length=300)] | None = None
    access_token: Annotated[str, Meta(max_length=4096)] | None = None

    def checked(self) -> tuple[LoginName, str]:
        """Whom to look for, and the password to check. Raises Invalid."""
        if self.provider is not None:
            raise ProviderNotSetUp(self.provider)
        if (self.email is None) == (self.phone is None):
            raise Invalid("Give either an e-mail address or a phone number.", field="email")
        if self.password is None:
            raise Invalid("Give a password.", field="password")
        if self.phone is not None:
            return LoginName(phone=phone_key(self.phone)), self.password
        return LoginName(email_key=email_key(self.email or "")), self.password


class RefreshIn(Body):
    """A refresh token that was not used yet."""

    refresh_token: Annotated[str, Meta(max_length=200)]


class LogoutIn(Body):
    """`all` ends every session of the caller, not only this one."""

    all: bool = False


class TokensOut(Body):
    """A pair of tokens; the access token expires after `expiresIn` seconds, the refresh token works once."""

    user_id: UUID
    token: str
    refresh_token: str
    expires_in: int
    message: str

    @classmethod
    def of(
        cls, grant: Grant, *, signer: AccessTokenSigner, refresh_token: str, now: datetime, message: str
    ) -> "TokensOut":
        """What the grant allows, signed."""
        token = signer.sign(
            user_id=grant.user_id,
            session_id=grant.session_id,
            role=grant.role,
            generation=grant.generation,
            now=now,
        )
        return cls(
            user_id=grant.user_id,
            token=token,
            refresh_token=refresh_token,
            expires_in=int(signer.lifetime.total_seconds()),
            message=message,
        )


class SessionOut(Body):
    """One device that the caller is signed in on."""

    session_id: UUID
    current: bool
    user_agent: str | None
    client_address: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, session: Session, *, current_id: UUID) -> "SessionOut":
        """As the owner of session `current_id` sees it."""
        return cls(
            session_id=session.id,
            current=session.id == current_id,
            user_agent=session.user_agent,
            client_address=session.client_address,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
        )


class SessionsOut(Body):
    """The caller's open sessions, the newest first."""

    sessions: list[SessionOut]
    next_cursor: str | None

    @classmethod
    def of(cls, sessions: Sequence[Session], *, current_id: UUID, limit: int) -> "SessionsOut":
        """A page, out of one session more than it shows, if there is one."""
        return cls(
            sessions=[SessionOut.of(session, current_id=current_id) for session in sessions[:limit]],
            next_cursor=next_cursor(sessions, limit, lambda one: (one.created_at, one.id)),
        )


class EndedOut(Body):
    """What was done."""

    message: str


def new_refresh_token() -> str:
    """256 bits that nobody can guess."""
    return secrets.token_urlsafe(32)


def session_for(request: Request) -> NewSession:
    """The session that this request asks for, where it shows the right password."""
    user_agent = "".join(filter(str.isprintable, request.headers.get("user-agent", "")))
    return NewSession(
        id=new_id(),
        refresh_token=new_refresh_token(),
        user_agent=user_agent[:MAX_USER_AGENT] or None,
        client_address=request.client_address,
        created_at=request.now,
        lives=Lives.of(request.context.settings.of(UsersSettings)),
    )
