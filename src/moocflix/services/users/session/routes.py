"""Signing in and out, renewing tokens, and what services ask about ended sessions."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar.params import Parameter

from moocflix.platform.auth.access import ANYONE, CALLER, services
from moocflix.platform.auth.passwords import PasswordHasher
from moocflix.platform.auth.published import RevocationList
from moocflix.platform.auth.signer import CurrentSigner
from moocflix.platform.http.pagination import Cursor, Limit, read_cursor
from moocflix.platform.http.reply import NOT_KEPT, Reply, reply
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import delete, get, post
from moocflix.platform.networks import line_of
from moocflix.services.users.credential import sql as credential_sql
from moocflix.services.users.credential.model import Attempt, Attempts
from moocflix.services.users.session import operations, sql
from moocflix.services.users.session.model import Lives, SessionNotFound
from moocflix.services.users.session.schemas import (
    EndedOut,
    LoginIn,
    LogoutIn,
    RefreshIn,
    SessionsOut,
    TokensOut,
    new_refresh_token,
    session_for,
)
from moocflix.services.users.settings import UsersSettings


@post(
    ["/api/v1/users/login", "/api/auth/user/login"],
    who=ANYONE,
    rate="auth",
    hands_out_tokens=True,
    summary="Sign in",
    refusals=(401, 403, 503),
)
async def login(request: Request, data: LoginIn) -> Reply[TokensOut]:
    """With an e-mail address or a phone number, and the password. An unknown name and a wrong password look alike."""
    name, password = data.checked()
    context, session = request.context, session_for(request)
    signer = await context.part(CurrentSigner).get()
    attempts = Attempts.of(context.settings.of(UsersSettings))
    attempt = Attempt.on(name, address=line_of(request.client_address), attempts=attempts, now=request.now)
    await credential_sql.count_attempt(request.tx, attempt=attempt)
    # Not in the transaction: it would hold a connection for as long as the password takes.
    credentials = await credential_sql.credentials(context.database.reader, name=name)
    verdict = await context.part(PasswordHasher).verify(
        password, against=credentials.password_hash if credentials else None
    )
    grant = await operations.log_in(
        request.tx, credentials=credentials, verdict=verdict, attempt=attempt, session=session
    )
    tokens = TokensOut.of(
        grant, signer=signer, refresh_token=session.refresh_token, now=request.now, message="Login successful"
    )
    return reply(tokens, headers=NOT_KEPT)


@post(
    "/api/v1/users/refresh",
    who=ANYONE,
    hands_out_tokens=True,
    summary="Renew the tokens",
    refusals=(401,),
)
async def refresh(request: Request, data: RefreshIn) -> Reply[TokensOut]:
    """The refresh token is used up and another one given. One that is used twice ends its whole session."""
    signer, successor = await request.context.part(CurrentSigner).get(), new_refresh_token()
    grant = await operations.refresh(
        request.tx,
        refresh_token=data.refresh_token,
        successor=successor,
        lives=_lives(request),
        client_address=request.client_address,
        now=request.now,
    )
    tokens = TokensOut.of(grant, signer=signer, refresh_token=successor, now=request.now, message="Tokens renewed")
    return reply(tokens, headers=NOT_KEPT)


@post("/api/v1/users/logout", who=CALLER, summary="Sign out")
async def logout(request: Request, data: LogoutIn | None = None) -> Reply[EndedOut]:
    """Here, or with `all` everywhere. Access tokens are refused by every service within five seconds."""
    caller, lives = request.caller, _lives(request)
    if data is not None and data.all:
        await operations.end_all(request.tx, user_id=caller.id, lives=lives, now=request.now)
        return reply(EndedOut(message="Signed out everywhere"))
    await operations.end(request.tx, session_id=caller.session_id, user_id=caller.id, lives=lives, now=request.now)
    return reply(EndedOut(message="Signed out"))


@get("/api/v1/users/sessions", who=CALLER, summary="My open sessions")
async def sessions(request: Request, limit: Limit = 20, cursor: Cursor = None) -> Reply[SessionsOut]:
    """The devices that the caller is signed in on, the newest first."""
    caller = request.caller
    found = await sql.sessions_of(
        request.db,
        user_id=caller.id,
        now=request.now,
        before=read_cursor(cursor, (datetime, UUID)),
        limit=limit + 1,
    )
    return reply(SessionsOut.of(found, current_id=caller.session_id, limit=limit))


@delete("/api/v1/users/sessions/{session_id:uuid}", who=CALLER, summary="End one of my sessions", refusals=(404,))
async def end_session(request: Request, session_id: UUID) -> Reply[EndedOut]:
    """Its access token is refused by every service within five seconds."""
    ended = await operations.end(
        request.tx, session_id=session_id, user_id=request.caller.id, lives=_lives(request), now=request.now
    )
    if not ended:
        raise SessionNotFound(session_id)
    return reply(EndedOut(message="Session ended"))


@get("/internal/revocations", who=services("platform"), summary="Ended sessions and generations, after a number")
async def revocations(
    request: Request, after: Annotated[int, Parameter(ge=0, le=2**63 - 1)] = 0
) -> Reply[RevocationList]:
    """The oldest first."""
    return reply(await sql.revocations(request.db, after=after, now=request.now))


def _lives(request: Request) -> Lives:
    return Lives.of(request.context.settings.of(UsersSettings))


routes = (login, refresh, logout, sessions, end_session, revocations)
