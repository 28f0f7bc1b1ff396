"""`moocflix users`: admins, blocked people, roles and keys from the command line."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import click.testing
import pytest

from moocflix.entrypoints.faults import sentence
from moocflix.entrypoints.users import users
from moocflix.platform.auth.signer import CurrentSigner
from moocflix.platform.settings import Settings, load
from moocflix.services.users.signing_key.model import PublishedKeys
from tests.databases import in_database
from tests.factories.platform import PASSWORD, TestPlatform, data_of
from tests.users.conftest import LOGIN, PROFILE, REFRESH, events, known_everywhere

ADMIN = ["create-admin", "--email", "root@example.org", "--name", "Root"]


async def moocflix(settings: Settings, *arguments: str, typed: str | None = None) -> click.testing.Result:
    runner = click.testing.CliRunner()
    return await asyncio.to_thread(runner.invoke, users, arguments, obj=settings, input=typed)


def refused(result: click.testing.Result) -> str:
    """The one sentence that the person is told."""
    assert (result.exit_code, result.output) == (1, "")
    assert isinstance(result.exception, Exception)
    said = sentence(result.exception)
    assert said is not None, result.exception
    return said


async def test_it_makes_an_admin_who_can_sign_in(platform: TestPlatform) -> None:
    result = await moocflix(platform.settings, *ADMIN, "--password-stdin", typed=f"{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    assert "root@example.org" in result.output
    assert PASSWORD not in result.output
    root = await platform.sign_in("root@example.org")
    assert data_of(await root.get(PROFILE))["role"] == "admin"
    (event,) = await events(platform.database("users"), "User-Creation")
    assert event["role"] == "admin"


async def test_it_asks_for_what_it_is_not_told_and_never_shows_the_password(platform: TestPlatform) -> None:
    typed = f"root@example.org\nRoot\n{PASSWORD}\n{PASSWORD}\n"
    result = await moocflix(platform.settings, "create-admin", typed=typed)
    assert result.exit_code == 0, result.output
    assert PASSWORD not in result.output
    await platform.sign_in("root@example.org")


async def test_it_takes_the_password_from_the_environment(platform: TestPlatform, data_folder: Path) -> None:
    environ = {"MOOCFLIX_DATA": str(data_folder), "MOOCFLIX_ADMIN_PASSWORD": PASSWORD, "MOOCFLIX_CONFIG": "/dev/null"}
    result = await moocflix(load(environ=environ), *ADMIN)
    assert result.exit_code == 0, result.output
    await platform.sign_in("root@example.org")


async def test_a_taken_address_is_refused_in_one_sentence(platform: TestPlatform) -> None:
    ada = await platform.person()
    arguments = ["create-admin", "--email", ada.email, "--name", "Root", "--password-stdin"]
    result = await moocflix(platform.settings, *arguments, typed=f"{PASSWORD}\n")
    assert refused(result) == "There is an account with this e-mail address already."


@pytest.mark.parametrize("password", ["short", "password1", ""])
async def test_a_weak_password_is_refused_in_one_sentence(platform: TestPlatform, password: str) -> None:
    result = await moocflix(platform.settings, *ADMIN, "--password-stdin", typed=f"{password}\n")
    assert "password" in refused(result).lower()


async def test_whom_it_blocks_is_out_at_once_and_comes_back_when_let_in(platform: TestPlatform) -> None:
    ada, eve = await platform.person(), await platform.person()
    login = {"email": ada.email, "password": PASSWORD}
    for _ in range(2):
        result = await moocflix(platform.settings, "block", ada.email.upper())
        assert (result.exit_code, result.output) == (0, f"{ada.email.upper()} is blocked.\n")
    await known_everywhere(platform)
    assert [(await person.get(PROFILE)).status_code for person in (ada, eve)] == [401, 200]
    assert (await platform.http.post(LOGIN, json=login)).status_code == 403
    assert (await moocflix(platform.settings, "unblock", ada.email)).exit_code == 0
    assert data_of(await (await platform.sign_in(ada.email)).get(PROFILE))["userId"] == str(ada.id)
    told = await events(platform.database("users"), "User-Update")
    assert [event["state"] for event in told] == ["blocked", "active"]


async def test_a_role_that_it_gives_counts_with_the_next_token(platform: TestPlatform) -> None:
    ada = await platform.person()
    assert (await moocflix(platform.settings, "role", ada.email, "instructor")).exit_code == 0
    await known_everywhere(platform)
    assert (await ada.get(PROFILE)).status_code == 401
    token = data_of(await platform.http.post(REFRESH, json={"refreshToken": ada.refresh_token}))["token"]
    profile = await platform.http.get(PROFILE, headers={"authorization": f"Bearer {token}"})
    assert data_of(profile)["role"] == "instructor"


@pytest.mark.parametrize("command", ["block", "unblock"])
async def test_an_account_that_its_owner_has_closed_stays_closed(platform: TestPlatform, command: str) -> None:
    ada = await platform.person()
    data_of(await ada.delete("/api/v1/users/deactivate"))
    assert refused(await moocflix(platform.settings, command, ada.email)) == "This account is deactivated."


@pytest.mark.parametrize("command", [["block"], ["unblock"], ["role", "admin"]])
async def test_nobody_is_found_by_an_address_that_is_nobodys(platform: TestPlatform, command: list[str]) -> None:
    name, *role = command
    assert refused(await moocflix(platform.settings, name, "nobody@example.org", *role)) == "User not found."


async def test_it_changes_the_key_that_signs(platform: TestPlatform) -> None:
    result = await moocflix(platform.settings, "rotate-keys")
    assert result.exit_code == 0, result.output
    platform.context("users").part(PublishedKeys).forget()
    kid = (await platform.http.get("/.well-known/jwks.json")).json()["keys"][0]["kid"]
    assert kid in result.output
    platform.context("users").part(CurrentSigner).forget()
    await platform.runtime.watch.verifier.refresh_keys(at_once=True)


async def test_without_a_database_it_says_what_to_do(tmp_path: Path) -> None:
    environ = {"MOOCFLIX_DATABASE_URL": "nonsense", "MOOCFLIX_DATA": str(tmp_path), "MOOCFLIX_CONFIG": "/dev/null"}
    assert "MOOCFLIX_DATABASE_URL" in refused(await moocflix(load(environ=environ), "rotate-keys"))


async def test_before_the_first_start_there_are_no_accounts(platform: TestPlatform, data_folder: Path) -> None:
    url = in_database(platform.urls, "not_there").admin
    environ = {"MOOCFLIX_DATABASE_URL": url, "MOOCFLIX_DATA": str(data_folder), "MOOCFLIX_CONFIG": "/dev/null"}
    assert "moocflix migrate" in refused(await moocflix(load(environ=environ), "rotate-keys"))


def test_a_database_that_does_not_answer_is_named(tmp_path: Path) -> None:
    url = "postgresql://postgres:secret@127.0.0.1:1/moocflix"  # pragma: allowlist secret
    environ = {"MOOCFLIX_DATABASE_URL": url, "MOOCFLIX_DATA": str(tmp_path), "MOOCFLIX_CONFIG": "/dev/null"}
    command = [sys.executable, "-m", "moocflix", "users", "rotate-keys"]
    done = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("moocflix: The database moocflix cannot be reached")
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr


async def test_its_help_says_where_the_password_comes_from(platform: TestPlatform) -> None:
    result = await moocflix(platform.settings, "create-admin", "--help")
    assert "MOOCFLIX_ADMIN_PASSWORD" in result.output
    assert "--password-stdin" in result.output
