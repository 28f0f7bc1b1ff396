"""Migrations: once, in order, by one process; and roles that see their own schema alone."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from click.testing import CliRunner

from moocflix.entrypoints.cli import moocflix
from moocflix.platform.database.pool import Pool
from moocflix.platform.database.transaction import Database
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.migration_files import MigrationError, read_migrations
from moocflix.platform.migrations import MigrationSource, check_code, migrate
from moocflix.platform.postgres_address import ServerAddress
from moocflix.platform.postgres_options import PostgresOptions
from moocflix.platform.postgres_server import PostgresServer
from moocflix.platform.settings import load
from tests.databases import in_database

TABLE = "CREATE TABLE things (id int PRIMARY KEY, number bigint GENERATED ALWAYS AS IDENTITY);"

FORBIDDEN = [
    "SELECT * FROM archive.things",
    "INSERT INTO archive.things (id) VALUES (1)",
    "SELECT * FROM archive.outbox",
    "SELECT * FROM archive.schema_migrations",
    "CREATE TABLE mine (id int)",
    "CREATE TABLE public.mine (id int)",
    "CREATE TEMPORARY TABLE mine (id int)",
    "CREATE SCHEMA mine",
    "DROP TABLE things",
    "ALTER TABLE things ADD COLUMN mine int",
    "TRUNCATE things",
    "DELETE FROM schema_migrations",
    "SET ROLE moocflix_owner",
    "CREATE ROLE mine",
    "SELECT rolpassword FROM pg_authid",
]


@pytest.fixture(scope="module")
def address(data_folder: Path) -> Iterator[ServerAddress]:
    """A server for these tests alone: they change the passwords of roles that all databases of a server share."""
    server = PostgresServer(data_folder / "migrations", options=PostgresOptions(durable=False))
    yield server.start()
    server.stop()


@pytest.fixture
async def urls(address: ServerAddress) -> AsyncIterator[DatabaseUrls]:
    """An empty database of this test's own."""
    name = f"test_{uuid4().hex}"
    yield DatabaseUrls(admin=address.dsn(name), key=b"k" * 32)
    await execute(address.dsn(), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def library(tmp_path: Path) -> MigrationSource:
    return service(tmp_path, "library", {"0001_pre_things.sql": TABLE})


@pytest.fixture
def archive(tmp_path: Path) -> MigrationSource:
    return service(tmp_path, "archive", {"0001_pre_things.sql": TABLE})


def service(folder: Path, name: str, files: dict[str, str]) -> MigrationSource:
    migrations = folder / name
    migrations.mkdir()
    for file, sql in files.items():
        (migrations / file).write_text(sql)
    return MigrationSource(name, migrations)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def execute(url: str, sql: str) -> None:
    async with connected(url) as connection:
        await connection.execute(sql)


async def value(url: str, sql: str) -> object:
    async with connected(url) as connection:
        return await connection.fetchval(sql)


async def test_it_runs_each_file_once_in_order(urls: DatabaseUrls, library: MigrationSource) -> None:
    (library.migrations / "0002_pre_more.sql").write_text("ALTER TABLE things ADD COLUMN more int;")
    done = await migrate(urls, [library])
    assert done[-2:] == ["library: 0001_pre_things.sql", "library: 0002_pre_more.sql"]
    assert done[0] == "library: platform/0001_pre_platform.sql"
    assert await migrate(urls, [library]) == []


async def test_a_service_reads_and_writes_its_own_rows(urls: DatabaseUrls, library: MigrationSource) -> None:
    await migrate(urls, [library])
    mine = urls.service("library")
    await execute(
        mine, "INSERT INTO things (id) VALUES (7); UPDATE things SET id = 8; INSERT INTO things (id) VALUES (7)"
    )
    assert await value(mine, "SELECT count(*) FROM library.things") == 2
    await execute(mine, "DELETE FROM things")


async def test_a_service_can_do_nothing_else(
    urls: DatabaseUrls, library: MigrationSource, archive: MigrationSource
) -> None:
    await migrate(urls, [library, archive])
    for sql in FORBIDDEN:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await execute(urls.service("library"), sql)


async def test_the_bus_reads_outboxes_and_nothing_else(urls: DatabaseUrls, library: MigrationSource) -> None:
    await migrate(urls, [library])
    assert await value(urls.bus, "SELECT count(*) FROM library.outbox") == 0
    for sql in ("SELECT * FROM library.things", "SELECT * FROM library.inbox", "DELETE FROM library.outbox"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await execute(urls.bus, sql)


async def test_two_starts_at_once_do_not_collide(
    urls: DatabaseUrls, library: MigrationSource, archive: MigrationSource
) -> None:
    done = await asyncio.gather(*(migrate(urls, [library, archive]) for _ in range(4)))
    assert sorted(len(lines) for lines in done)[:3] == [0, 0, 0]
    assert await value(urls.service("archive"), "SELECT count(*) FROM things") == 0


async def test_two_databases_of_a_cluster_have_the_same_roles(
    urls: DatabaseUrls, library: MigrationSource, archive: MigrationSource
) -> None:
    other = in_database(urls, f"test_{uuid4().hex}")
    await asyncio.gather(migrate(urls, [library, archive]), migrate(other, [library, archive]))
    for each in (urls, other):
        assert await value(each.service("library"), "SELECT count(*) FROM things") == 0


async def test_another_secret_changes_no_password_unless_it_shall(urls: DatabaseUrls, library: MigrationSource) -> None:
    await migrate(urls, [library])
    changed = DatabaseUrls(admin=urls.admin, key=b"c" * 32)
    with pytest.raises(MigrationError, match=r"moocflix_owner .* now follows from the secret `database`: .*--new-pass"):
        await migrate(changed, [library])
    assert await value(urls.service("library"), "SELECT 1") == 1
    await migrate(changed, [library], new_passwords=True)
    assert await value(changed.service("library"), "SELECT 1") == 1
    with pytest.raises(asyncpg.InvalidPasswordError):
        await value(urls.bus, "SELECT 1")
    await migrate(urls, [library], new_passwords=True)


async def test_the_command_changes_passwords_where_it_is_told_to(
    urls: DatabaseUrls, library: MigrationSource, tmp_path: Path
) -> None:
    await migrate(urls, [library])
    secret = "another one, of forty characters at least"  # pragma: allowlist secret
    environ = {"MOOCFLIX_DATABASE_URL": urls.admin, "MOOCFLIX_SECRET_DATABASE": secret, "MOOCFLIX_DATA": str(tmp_path)}
    refused, done = [
        await asyncio.to_thread(CliRunner().invoke, moocflix, ["migrate", *words], env=environ)
        for words in ([], ["--new-passwords"])
    ]
    try:
        assert isinstance(refused.exception, MigrationError)
        assert done.exit_code == 0, done.output
        changed = DatabaseUrls.of(load(environ=environ))
        assert await value(changed.service("users"), "SELECT count(*) FROM sessions") == 0
    finally:
        await migrate(urls, [library], new_passwords=True)


async def test_another_password_in_a_services_own_url_is_refused_by_its_name(
    urls: DatabaseUrls, library: MigrationSource
) -> None:
    own = urls.admin.replace(urls.admin[urls.admin.index("//") + 2 : urls.admin.index("@")], "librarian:password")
    for url, refused in ((own, False), (own.replace(":password@", ":other@"), True)):
        apart = DatabaseUrls(admin=urls.admin, key=urls.key, apart={"MOOCFLIX_DATABASE_LIBRARY_URL": url}.get)
        if refused:
            with pytest.raises(MigrationError, match=r"role librarian .* now stands in MOOCFLIX_DATABASE_LIBRARY_URL"):
                await migrate(apart, [library])
        else:
            await migrate(apart, [library])
    assert await value(own, "SELECT count(*) FROM things") == 0


async def test_a_role_that_somebody_else_has_made_is_taken_over(urls: DatabaseUrls, library: MigrationSource) -> None:
    await migrate(urls, [library])
    await execute(urls.admin, "CREATE ROLE guest LOGIN PASSWORD 'theirs'")
    own = urls.admin.replace(urls.admin[urls.admin.index("//") + 2 : urls.admin.index("@")], "guest:password")
    apart = DatabaseUrls(admin=urls.admin, key=urls.key, apart={"MOOCFLIX_DATABASE_LIBRARY_URL": own}.get)
    await migrate(apart, [library])
    assert await value(own, "SELECT current_setting('search_path')") == "library"


async def test_a_login_that_is_refused_is_told_from_data_that_are_not_there(
    urls: DatabaseUrls, library: MigrationSource
) -> None:
    await migrate(urls, [library])
    pool = Pool(DatabaseUrls(admin=urls.admin, key=b"c" * 32).service("library"), size=1)
    try:
        with pytest.raises(MigrationError, match=r"refuses the login .* MOOCFLIX_DATABASE_LIBRARY_URL"):
            await check_code(Database(pool, source="library").reader, "library")
    finally:
        await pool.close()


async def test_a_service_can_live_in_a_database_of_its_own(
    urls: DatabaseUrls, library: MigrationSource, archive: MigrationSource
) -> None:
    place = in_database(DatabaseUrls(admin=urls.admin, key=urls.key), f"test_{uuid4().hex}").admin
    own = place.replace(place[place.index("//") + 2 : place.index("@")], "archivist:password")
    variables = {"MOOCFLIX_DATABASE_ARCHIVE_URL": own}
    apart = DatabaseUrls(admin=urls.admin, key=urls.key, apart=variables.get)
    await migrate(apart, [library, archive])
    assert apart.service("archive") == own
    assert await value(own, "SELECT count(*) FROM things") == 0
    assert await value(apart.bus_of("archive"), "SELECT count(*) FROM archive.outbox") == 0
    assert await value(apart.service("library"), "SELECT to_regclass('archive.things') IS NULL")


async def test_what_listens_or_migrates_goes_past_a_connection_pooler(
    urls: DatabaseUrls, library: MigrationSource
) -> None:
    pooled = "postgresql://librarian:password@pooler:6432/library"  # pragma: allowlist secret
    admin = urls.admin.partition("@")[0]
    direct = pooled.replace("pooler:6432", "server:5432")
    variables = {"MOOCFLIX_DATABASE_LIBRARY_URL": pooled, "MOOCFLIX_DATABASE_LIBRARY_DIRECT_URL": direct}
    apart = DatabaseUrls(admin=urls.admin, key=urls.key, apart=variables.get)
    assert apart.service("library") == pooled
    assert apart.bus_of("library").endswith("@pooler:6432/library")
    assert apart.listener_of("library").endswith("@server:5432/library")
    assert apart.admin_of("library") == f"{admin}@server:5432/library"


async def test_a_changed_file_is_refused(urls: DatabaseUrls, library: MigrationSource) -> None:
    await migrate(urls, [library])
    (library.migrations / "0001_pre_things.sql").write_text(f"{TABLE} -- better")
    with pytest.raises(MigrationError, match=r"library: 0001_pre_things.sql has been changed since it ran"):
        await migrate(urls, [library])


async def test_a_file_that_fails_leaves_nothing_and_can_be_mended(urls: DatabaseUrls, library: MigrationSource) -> None:
    second = library.migrations / "0002_pre_more.sql"
    second.write_text("CREATE TABLE more (id int); SELECT 1/0;")
    with pytest.raises(MigrationError, match=r"0002_pre_more.sql failed: division by zero"):
        await migrate(urls, [library])
    second.write_text("CREATE TABLE more (id int);")
    assert await migrate(urls, [library]) == ["library: 0002_pre_more.sql"]


async def test_code_that_is_too_old_for_the_data_is_refused(urls: DatabaseUrls, library: MigrationSource) -> None:
    newer = library.migrations / "0002_post_narrow.sql"
    newer.write_text("-- oldest-code: 2.0.0\nSELECT 1;")
    await migrate(urls, [library], code="2.1.0")
    newer.unlink()
    with pytest.raises(MigrationError, match=r"made by a newer MoocFlix \(2.1.0; .*\): at least 2.0.0 is needed"):
        await migrate(urls, [library], code="1.9.9")
    async with connected(urls.service("library")) as mine:
        with pytest.raises(MigrationError, match=r"made by a newer MoocFlix"):
            await check_code(mine, "library", code="1.9.9")
        assert await migrate(urls, [library], code="2.0.0") == []
        await check_code(mine, "library", code="2.0.0")


async def test_what_comes_after_the_new_code_can_be_left_out(urls: DatabaseUrls, library: MigrationSource) -> None:
    (library.migrations / "0002_post_narrow.sql").write_text("-- oldest-code: 0.1.0\nSELECT 1;")
    assert "library: 0002_post_narrow.sql" not in await migrate(urls, [library], phase="pre")
    assert await migrate(urls, [library]) == ["library: 0002_post_narrow.sql"]


async def test_a_start_waits_for_another_that_migrates_but_not_for_ever(
    urls: DatabaseUrls, library: MigrationSource
) -> None:
    await migrate(urls, [library])
    other = await asyncpg.connect(urls.admin)
    await other.execute(f"SELECT pg_advisory_lock({0x6D6F6F63})")
    with pytest.raises(MigrationError, match=r"Another process has been migrating the database"):
        await migrate(urls, [library], wait_seconds=0.3)
    waiting = asyncio.create_task(migrate(urls, [library]))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await other.close()
    assert await waiting == []


async def test_a_database_that_is_away_is_named(library: MigrationSource, tmp_path: Path) -> None:
    urls = DatabaseUrls(admin=f"postgresql://postgres:x@/moocflix?host={tmp_path}", key=b"k" * 32)
    with pytest.raises(MigrationError, match=r"The database moocflix cannot be reached"):
        await migrate(urls, [library])


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"1_things.sql": ""}, r"must be called NNNN_pre_name.sql or NNNN_post_name.sql"),
        ({"0001_pre_a.sql": "", "0001_pre_b.sql": ""}, r"Two migrations in .* have the number 0001"),
        ({"0001_post_a.sql": "DROP TABLE things;"}, r"must state the oldest code"),
    ],
)
def test_files_that_break_the_rules_are_refused(tmp_path: Path, files: dict[str, str], sentence: str) -> None:
    with pytest.raises(MigrationError, match=sentence):
        read_migrations(service(tmp_path, "library", files).migrations)
