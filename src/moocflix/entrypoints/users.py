"""`users`: what an operator does to accounts and keys beside a running platform, or one that is not running."""

import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Literal, TypeVar, get_args
from uuid import UUID

import click

from moocflix.entrypoints.migrate import running_database
from moocflix.entrypoints.runtime import Runtime
from moocflix.platform.auth.passwords import PasswordHasher
from moocflix.platform.auth.principal import Role
from moocflix.platform.clock import utc_now
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.ids import new_id
from moocflix.platform.migrations import is_migrated
from moocflix.platform.service import ServiceContext
from moocflix.platform.settings import Settings, SettingsError
from moocflix.services.users.account import operations as accounts
from moocflix.services.users.account.model import NewAccount, checked_name, usernames_for
from moocflix.services.users.credential.model import checked_email, checked_password
from moocflix.services.users.service import seal_of, service
from moocflix.services.users.session.model import Lives
from moocflix.services.users.settings import UsersSettings
from moocflix.services.users.signing_key import operations as signing_keys
from moocflix.services.users.signing_key.model import LEAD, SLACK, SigningKey

T = TypeVar("T")

PASSWORD_VARIABLE = "MOOCFLIX_ADMIN_PASSWORD"  # noqa: S105 - the name of a variable  # pragma: allowlist secret


@click.group(name="users")
def users() -> None:
    """Accounts and the keys that sign their tokens."""


@users.command(name="create-admin")
@click.option("--email", prompt="E-mail address", help="What the admin signs in with.")
@click.option("--name", prompt="Name", help="What others see.")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, up to its first line's end."
)
@click.pass_obj
def create_admin_command(settings: Settings, email: str, name: str, *, password_stdin: bool) -> None:
    """Make an account that may do everything.

    The password is asked for, or read from standard input or from the variable MOOCFLIX_ADMIN_PASSWORD; never from
    the command line, which others on this machine can see.
    """
    password = _password(settings, from_stdin=password_stdin)
    user_id = _run(settings, lambda context: create_admin(context, name=name, email=email, password=password))
    click.echo(f"Admin {email} is there, with id {user_id}.")


@users.command(name="block")
@click.argument("email")
@click.pass_obj
def block_command(settings: Settings, email: str) -> None:
    """Shut somebody out: their sessions end, everywhere within five seconds, and they cannot sign in."""
    _run(settings, lambda context: set_state(context, email=email, state="blocked"))
    click.echo(f"{email} is blocked.")


@users.command(name="unblock")
@click.argument("email")
@click.pass_obj
def unblock_command(settings: Settings, email: str) -> None:
    """Let somebody who was blocked sign in again."""
    _run(settings, lambda context: set_state(context, email=email, state="active"))
    click.echo(f"{email} may sign in.")


@users.command(name="role")
@click.argument("email")
@click.argument("role", type=click.Choice(get_args(Role)))
@click.pass_obj
def role_command(settings: Settings, email: str, role: Role) -> None:
    """Give somebody another role. It counts everywhere within five seconds, and their sessions go on."""
    _run(settings, lambda context: set_role(context, email=email, role=role))
    click.echo(f"{email} has the role {role}.")


@users.command(name="rotate-keys")
@click.option(
    "--at-once",
    is_flag=True,
    help="Let tokens under the old keys count no more, for when a key may be in other hands: everybody renews theirs.",
)
@click.pass_obj
def rotate_keys_command(settings: Settings, *, at_once: bool) -> None:
    """Sign access tokens with a new key, two minutes after it was published, so that everybody knows it by then.

    The old ones stay published until their tokens have expired.
    """
    key = _run(settings, lambda context: rotate_keys(context, at_once=at_once))
    since = "now" if at_once else f"{key.signs_from:%H:%M:%S} UTC"
    click.echo(f"Access tokens are signed with the new key {key.kid} from {since} on.")


async def create_admin(context: ServiceContext, *, name: str, email: str, password: str) -> UUID:
    """Make an admin's account; its id. Raises Invalid, EmailTaken."""
    settings = context.settings.of(UsersSettings)
    name, email, password = checked_name(name), checked_email(email), checked_password(password)
    hasher = PasswordHasher(memory_kib=settings.password_memory_kib, passes=settings.password_passes, threads=1)
    try:
        password_hash = await hasher.hash(password)
    finally:
        hasher.close()
    new = NewAccount(
        id=new_id(),
        name=name,
        email=email,
        phone=None,
        avatar_url=None,
        role="admin",
        password_hash=password_hash,
        created_at=utc_now(),
    )
    async with context.database.transaction() as tx:
        await accounts.make_account(tx, new=new, usernames=usernames_for(name, chance=secrets.randbelow))
    return new.id


async def set_state(context: ServiceContext, *, email: str, state: Literal["active", "blocked"]) -> None:
    """Block the account with this address, or open it again. Raises AccountNotFound, AccountClosed."""
    lives = Lives.of(context.settings.of(UsersSettings))
    async with context.database.transaction() as tx:
        user_id = await accounts.id_of(tx, email=email)
        await accounts.set_state(tx, id=user_id, state=state, lives=lives, now=utc_now())


async def set_role(context: ServiceContext, *, email: str, role: Role) -> None:
    """Give whoever has this address another role. Raises AccountNotFound."""
    lives = Lives.of(context.settings.of(UsersSettings))
    async with context.database.transaction() as tx:
        user_id = await accounts.id_of(tx, email=email)
        await accounts.set_role(tx, id=user_id, role=role, lives=lives, now=utc_now())


async def rotate_keys(context: ServiceContext, *, at_once: bool) -> SigningKey:
    """Publish a new key and let it sign; the key."""
    now = utc_now()
    key = SigningKey.new(seal=seal_of(context), now=now, lead=timedelta() if at_once else LEAD)
    life = context.settings.of(UsersSettings).access_token_life + SLACK
    async with context.database.transaction() as tx:
        await signing_keys.rotate(tx, key=key, keep_until=now if at_once else key.signs_from + life)
    return key


def _password(settings: Settings, *, from_stdin: bool) -> str:
    given = settings.value(PASSWORD_VARIABLE)
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if given is not None:
        return given
    typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return typed


def _run(settings: Settings, act: Callable[[ServiceContext], Awaitable[T]]) -> T:
    """Act on the users service."""
    with running_database(settings) as urls:
        return asyncio.run(_with_context(settings, urls, act))


async def _with_context(settings: Settings, urls: DatabaseUrls, act: Callable[[ServiceContext], Awaitable[T]]) -> T:
    if not await is_migrated(urls, service.name):
        raise SettingsError("There are no accounts yet: start the platform once, or run `moocflix migrate`.")
    runtime = Runtime(settings, [service], urls)
    try:
        return await act(runtime.contexts[service.name])
    finally:
        await runtime.stop()
