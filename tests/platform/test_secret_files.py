"""What a production start needs of secrets can be made at once, and is no more than is said."""

import os
import shutil
from pathlib import Path
from stat import S_IMODE
from uuid import uuid4

import pytest
from click.testing import CliRunner

from moocflix.entrypoints.cli import moocflix
from moocflix.entrypoints.runtime import Runtime
from moocflix.entrypoints.services import SERVICES, chosen
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.migrations import migrate
from moocflix.platform.secrets import SecretMissing, Secrets
from moocflix.platform.settings import Settings, load
from tests.databases import in_database

NAMES = ["platform", *(service.name for service in SERVICES)]
PUBLIC = [f"service-keys/{name}.pub" for name in NAMES]


def made(folder: Path) -> list[str]:
    """What the command says that it has made, or kept."""
    done = CliRunner().invoke(moocflix, ["secrets", str(folder)])
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def secrets(tmp_path: Path, settings: Settings) -> Path:
    """All of them; that of the database is the test server's, whose roles' passwords follow from it."""
    folder = tmp_path / "secrets"
    folder.mkdir(0o700)
    (folder / "database").write_bytes(Secrets.of(settings).text("database"))
    made(folder)
    return folder


@pytest.fixture
async def database(settings: Settings) -> DatabaseUrls:
    """One in which no secret has sealed anything yet."""
    urls = in_database(DatabaseUrls.of(settings), f"production_{uuid4().hex}")
    await migrate(urls, SERVICES)
    return urls


def production(secrets: Path, database: DatabaseUrls, **variables: str) -> Settings:
    told = {
        "MOOCFLIX_PLATFORM_ENVIRONMENT": "production",
        "MOOCFLIX_PLATFORM_PUBLIC_URL": "https://moocflix.example",
        "MOOCFLIX_DATA": str(secrets.parent / "data"),
        "MOOCFLIX_SECRETS_FOLDER": str(secrets),
        "MOOCFLIX_CONFIG": os.devnull,
        **{f"MOOCFLIX_DATABASE_{service.name.upper()}_URL": database.service(service.name) for service in SERVICES},
    }
    return load(environ={**told, **variables})


async def start(settings: Settings, *names: str) -> None:
    runtime = Runtime(settings, chosen(names), DatabaseUrls.of(settings), platform=SERVICES)
    try:
        await runtime.start(broadcasts=False)
    finally:
        await runtime.stop()


def test_all_are_made_for_their_owners_eyes_and_kept_the_second_time(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    said = made(folder)
    files = files_in(folder)
    keys = [f"service-keys/{name}.{kind}" for name in NAMES for kind in ("key", "pub")]
    assert sorted(files) == sorted(["database", "platform", "users", "file-urls", *keys])
    assert sorted(line.split()[:2] for line in said) == [["made", name] for name in sorted(files)]
    assert all(S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600) for path in folder.rglob("*"))
    assert S_IMODE(folder.stat().st_mode) == 0o700
    assert all(line.startswith("kept ") for line in made(folder))
    assert files_in(folder) == files


def test_a_key_is_not_made_beside_the_public_half_of_another(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "service-keys" / "courses.key").unlink()
    (tmp_path / "users").unlink()
    refused = CliRunner().invoke(moocflix, ["secrets", str(tmp_path)])
    assert "courses.pub is there without courses.key" in str(refused.exception)
    assert not (tmp_path / "users").exists()


async def test_the_whole_platform_starts_in_production_with_them(secrets: Path, database: DatabaseUrls) -> None:
    before = files_in(secrets)
    await start(production(secrets, database))
    assert files_in(secrets) == before


@pytest.fixture
def elsewhere() -> dict[str, str]:
    """A process apart: the others have addresses, and files are in a bucket."""
    addresses = {f"MOOCFLIX_SERVICE_{service.name.upper()}_URL": "http://127.0.0.1:9" for service in SERVICES}
    return {**addresses, "MOOCFLIX_STORAGE_KIND": "s3", "MOOCFLIX_STORAGE_S3_BUCKET": "files"}


async def test_one_service_starts_with_those_that_it_needs_and_without_none_of_them(
    secrets: Path, database: DatabaseUrls, elsewhere: dict[str, str]
) -> None:
    own = {"users": ["users"], "courses": []}
    for service, more in own.items():
        needed = ["database", "platform", "service-keys/platform.key", f"service-keys/{service}.key", *more]
        folder = secrets.parent / service
        for name in [*needed, *PUBLIC]:
            (folder / name).parent.mkdir(exist_ok=True, parents=True)
            shutil.copy(secrets / name, folder / name)
        settings = production(folder, database, **elsewhere)
        await start(settings, service)
        for name in needed:
            (folder / name).rename(folder / "away")
            with pytest.raises(SecretMissing, match=rf"{name} is not there, and in production none is made up"):
                await start(settings, service)
            (folder / "away").rename(folder / name)
        assert not (folder.parent / "data").exists()
