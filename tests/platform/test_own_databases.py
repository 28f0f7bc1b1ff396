"""A process of services with databases of their own is told of those alone."""

import os
from pathlib import Path

import httpx
import pytest

from moocflix.entrypoints.migrate import running_database
from moocflix.entrypoints.runtime import Runtime
from moocflix.entrypoints.services import SERVICES, chosen
from moocflix.entrypoints.work import runtime_of
from moocflix.platform.database.urls import DatabaseAway, DatabaseUrls
from moocflix.platform.migrations import is_migrated
from moocflix.platform.settings import Settings, SettingsError, load

ELSEWHERE = {
    f"MOOCFLIX_SERVICE_{service.name.upper()}_URL": "http://127.0.0.1:9"
    for service in SERVICES
    if service.name != "users"
}


def settings_of(data: Path, **variables: str) -> Settings:
    return load(environ={"MOOCFLIX_DATA": str(data), "MOOCFLIX_CONFIG": os.devnull, **variables})


async def test_a_service_starts_with_its_own_database_and_no_other(
    tmp_path: Path, settings: Settings, urls: DatabaseUrls
) -> None:
    told = {"MOOCFLIX_DATABASE_USERS_URL": urls.service("users"), **ELSEWHERE}
    told["MOOCFLIX_SECRETS_FOLDER"] = f"{settings.value('MOOCFLIX_PLATFORM_DATA')}/secrets"
    own = settings_of(tmp_path, **told)
    runtime = Runtime(own, chosen(("users",)), DatabaseUrls.of(own), platform=SERVICES)
    await runtime.start()
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(runtime.public), base_url="http://users") as http:
            assert (await http.get("/health/ready")).json() == {"status": "ready", "degraded": []}
    finally:
        await runtime.stop()


async def test_commands_of_a_service_ask_its_own_database_and_start_none(
    tmp_path: Path, settings: Settings, urls: DatabaseUrls
) -> None:
    secrets = f"{settings.value('MOOCFLIX_PLATFORM_DATA')}/secrets"
    own = settings_of(tmp_path, MOOCFLIX_DATABASE_USERS_URL=urls.service("users"), MOOCFLIX_SECRETS_FOLDER=secrets)
    with running_database(own) as found:
        assert await is_migrated(found, "users")
        with pytest.raises(DatabaseAway, match=r"set MOOCFLIX_DATABASE_URL or MOOCFLIX_DATABASE_USERS_ADMIN_URL\.$"):
            found.admin_of("users")
    assert list(tmp_path.iterdir()) == []


def test_a_service_without_a_database_is_told_which_variables_name_one(tmp_path: Path) -> None:
    found = DatabaseUrls.of(settings_of(tmp_path, MOOCFLIX_DATABASE_USERS_URL="postgresql://a@here/b"))
    assert found.service("users") == "postgresql://a@here/b"
    with pytest.raises(DatabaseAway) as raised:
        found.service("courses")
    assert str(raised.value) == (
        f"The embedded database of {tmp_path} does not run. Start the platform with `moocflix up`, or set "
        "MOOCFLIX_DATABASE_URL or MOOCFLIX_DATABASE_COURSES_URL."
    )


def test_a_worker_apart_is_not_taken_for_one_beside_all_the_others(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, MOOCFLIX_DATABASE_COURSES_URL="postgresql://a@here/b")
    with pytest.raises(SettingsError, match="MOOCFLIX_SERVICE_USERS_URL, MOOCFLIX_SERVICE_COURSES_URL"):
        runtime_of(settings, chosen(("courses",)), DatabaseUrls.of(settings))
