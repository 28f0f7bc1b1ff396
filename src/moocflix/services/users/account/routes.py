"""Signing up, profiles, closing accounts, and what services ask about people."""

from uuid import UUID

from moocflix.contracts.users import UserPage, UserState
from moocflix.platform.auth.access import ANYONE, CALLER, services
from moocflix.platform.auth.passwords import PasswordHasher
from moocflix.platform.auth.signer import CurrentSigner
from moocflix.platform.http.pagination import Cursor, Limit, next_cursor, read_id
from moocflix.platform.http.reply import NOT_KEPT, Reply, reply
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import delete, get, post, put
from moocflix.platform.ids import new_id
from moocflix.platform.networks import line_of
from moocflix.services.users.account import operations, sql
from moocflix.services.users.account.model import AccountNotFound, usernames_for
from moocflix.services.users.account.schemas import ChangedOut, ProfileOut, SignUpIn, UpdateIn, chance
from moocflix.services.users.credential import sql as credential_sql
from moocflix.services.users.credential.model import Attempt, Attempts, LoginName, WrongCurrentPassword
from moocflix.services.users.session.model import Lives
from moocflix.services.users.session.schemas import TokensOut, session_for
from moocflix.services.users.settings import UsersSettings


@post(
    "/api/v1/users/signup",
    who=ANYONE,
    status=201,
    rate="auth",
    hands_out_tokens=True,
    summary="Sign up",
    refusals=(409, 503),
)
async def sign_up(request: Request, data: SignUpIn) -> Reply[TokensOut]:
    """Makes an account, as a student unless `role` says instructor, and signs it in."""
    return await _sign_up(request, data, status=201)


@post(
    "/api/auth/user/register",
    who=ANYONE,
    rate="auth",
    hands_out_tokens=True,
    summary="Sign up, answered with 200",
    refusals=(409, 503),
)
async def register(request: Request, data: SignUpIn) -> Reply[TokensOut]:
    """As `POST /api/v1/users/signup`."""
    return await _sign_up(request, data, status=200)


@get(["/api/v1/users/profile", "/api/auth/user/profile"], who=CALLER, summary="My profile", refusals=(404,))
async def profile(request: Request) -> Reply[ProfileOut]:
    """The caller's own account."""
    account = await sql.account(request.db, id=request.caller.id)
    if account is None:
        raise AccountNotFound
    return reply(ProfileOut.of(account), etag=account.version)


@put(
    ["/api/v1/users/profile/update", "/api/auth/user/profile"],
    who=CALLER,
    summary="Change my profile",
    refusals=(403, 404, 409, 412, 503),
)
async def update(request: Request, data: UpdateIn) -> Reply[ChangedOut]:
    """E-mail address, phone number and password take `currentPassword`. A new password ends all other sessions."""
    changes, password = data.changes(), data.new_password()
    proven_hash = await _proven_hash(request, data.proof())
    new_hash = None if password is None else await request.context.part(PasswordHasher).hash(password)
    account = await operations.update(
        request.tx,
        id=request.caller.id,
        changes=changes,
        new_password_hash=new_hash,
        proven_hash=proven_hash,
        if_match=request.if_match(),
        session_id=request.caller.session_id,
        lives=Lives.of(request.context.settings.of(UsersSettings)),
        now=request.now,
    )
    return reply(ChangedOut(user_id=account.id, message="Profile updated successfully"), etag=account.version)


@delete("/api/v1/users/deactivate", who=CALLER, summary="Close my account", refusals=(404,))
async def deactivate(request: Request) -> Reply[ChangedOut]:
    """Ends every session; nobody can sign in to it any more."""
    account = await operations.deactivate(
        request.tx,
        id=request.caller.id,
        lives=Lives.of(request.context.settings.of(UsersSettings)),
        now=request.now,
    )
    return reply(ChangedOut(user_id=account.id, message="Account deactivated"))


@get("/internal/users", who=services("courses", "enrollments"), summary="Everybody, for the filling of copies")
async def people(request: Request, limit: Limit = 100, cursor: Cursor = None) -> Reply[UserPage]:
    """By id."""
    found = await sql.accounts(request.db, after=read_id(cursor), limit=limit + 1)
    more = next_cursor(found, limit, lambda one: (one.id,))
    return reply(UserPage(users=[account.public() for account in found[:limit]], next_cursor=more))


@get(
    "/internal/users/{user_id:uuid}",
    who=services("courses", "enrollments"),
    summary="One person, as others may know them",
)
async def person(request: Request, user_id: UUID) -> Reply[UserState]:
    """Never with an e-mail address or a phone number."""
    account = await sql.account(request.db, id=user_id)
    if account is None:
        raise AccountNotFound
    return reply(account.public())


async def _sign_up(request: Request, data: SignUpIn, *, status: int) -> Reply[TokensOut]:
    asked, session = data.checked(), session_for(request)
    signer = await request.context.part(CurrentSigner).get()
    password_hash = await request.context.part(PasswordHasher).hash(asked.password)
    grant = await operations.sign_up(
        request.tx,
        new=asked.account(id=new_id(), password_hash=password_hash, now=request.now),
        usernames=usernames_for(asked.name, chance=chance),
        session=session,
    )
    tokens = TokensOut.of(
        grant,
        signer=signer,
        refresh_token=session.refresh_token,
        now=request.now,
        message="User registered successfully",
    )
    return reply(tokens, status=status, headers=NOT_KEPT)


async def _proven_hash(request: Request, current_password: str | None) -> str | None:
    """The hash that the current password fits, where it was asked for. Raises WrongCurrentPassword, TooManyAttempts."""
    if current_password is None:
        return None
    user_id, context = request.caller.id, request.context
    attempts = Attempts.of(context.settings.of(UsersSettings))
    name = LoginName(email_key=f"user {user_id}")
    attempt = Attempt.on(name, address=line_of(request.client_address), attempts=attempts, now=request.now)
    # For good, right or wrong: hashes are dear, and nobody changes a password ten times in a row.
    await credential_sql.count_attempt(request.tx, attempt=attempt)
    held = await credential_sql.credentials_of(context.database.reader, user_id=user_id)
    known = None if held is None else held.password_hash
    verdict = await context.part(PasswordHasher).verify(current_password, against=known)
    if known is None or not verdict.good:
        raise WrongCurrentPassword
    return known


routes = (sign_up, register, profile, update, deactivate, people, person)
