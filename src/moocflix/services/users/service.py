"""The one description of the users service that a process needs."""

from datetime import timedelta
from pathlib import Path

from moocflix.contracts.users import TOPICS
from moocflix.platform.auth.passwords import PasswordHasher
from moocflix.platform.auth.published import JsonWebKeySet
from moocflix.platform.auth.signer import CurrentSigner
from moocflix.platform.auth.tokens import AccessTokenSigner
from moocflix.platform.clock import utc_now
from moocflix.platform.sealing import Seal
from moocflix.platform.secrets import Secrets
from moocflix.platform.service import Job, PersonalTable, Service, ServiceContext
from moocflix.services.users import jobs
from moocflix.services.users.account import routes as account_routes
from moocflix.services.users.session import routes as session_routes
from moocflix.services.users.settings import UsersSettings
from moocflix.services.users.signing_key import operations as key_operations
from moocflix.services.users.signing_key import routes as key_routes
from moocflix.services.users.signing_key import sql as key_sql
from moocflix.services.users.signing_key.model import PURPOSE, NoSigningKey, PublishedKeys, SigningKey

SECRET = "users"  # noqa: S105 - the secret's name  # pragma: allowlist secret


async def setup(context: ServiceContext) -> None:
    """Give this process what hashes passwords and what signs tokens; the very first one makes the key."""
    settings = context.settings.of(UsersSettings)
    seal = seal_of(context)

    async def current_signer() -> AccessTokenSigner:
        key = await key_sql.current(context.database.reader, now=utc_now())
        if key is None:
            raise NoSigningKey
        return key.signer(seal=seal, lifetime=settings.access_token_life)

    async def key_set() -> JsonWebKeySet:
        return await key_sql.published(context.database.reader, now=utc_now())

    async with context.database.transaction() as tx:
        await key_operations.make_first(tx, key=SigningKey.new(seal=seal, now=utc_now()))
    context.keep(seal)
    context.keep(CurrentSigner(current_signer, seconds=5.0))
    # For a second: a page that anybody may ask for, as often as they like, asks the database for no more.
    context.keep(PublishedKeys(key_set, seconds=1.0))
    context.keep(
        PasswordHasher(
            memory_kib=settings.password_memory_kib,
            passes=settings.password_passes,
            threads=settings.password_threads,
            queue=settings.password_queue,
        )
    )
    # A secret that does not fit the key stops the start rather than the first login.
    await context.part(CurrentSigner).get()


def seal_of(context: ServiceContext) -> Seal:
    """What seals the signing keys."""
    return Seal(Secrets.of(context.settings).key(SECRET, purpose=PURPOSE))


service = Service(
    name="users",
    summary="Who there is, how they sign in, and which of their sessions still count.",
    migrations=Path(__file__).parent / "migrations",
    routes=(*account_routes.routes, *session_routes.routes, *key_routes.routes),
    topics=TOPICS,
    jobs=(Job(name="forget-sessions", run=jobs.forget_sessions, every=timedelta(hours=1)),),
    setup=setup,
    personal_data=(
        PersonalTable(
            table="users",
            export="""
                SELECT id, email, email_verified, phone, username, name, avatar_url, role, state, created_at, updated_at
                  FROM users WHERE id = $1
            """,
            erase="""
                UPDATE users
                   SET email = id::text, email_key = id::text, email_verified = false, phone = NULL,
                       username = 'erased-' || id, name = 'Erased', avatar_url = NULL, password_hash = NULL
                 WHERE id = $1
            """,
        ),
        PersonalTable(
            table="sessions",
            export="""
                SELECT id, user_agent, client_address, created_at, last_used_at, expires_at, ended_at
                  FROM sessions WHERE user_id = $1 ORDER BY created_at, id
            """,
            erase="DELETE FROM sessions WHERE user_id = $1",
        ),
    ),
)
