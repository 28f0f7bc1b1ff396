"""An installation moves to databases and files elsewhere while events are under way, and loses none."""

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import pytest
from moto.server import ThreadedMotoServer

from moocflix.entrypoints.addresses import check_addresses
from moocflix.entrypoints.move import SecretsDiffer, carry_secrets, move_files, routes, run, settings_of
from moocflix.entrypoints.services import SERVICES
from moocflix.entrypoints.settings import check_settings
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.errors import OperatorError, Refusal
from moocflix.platform.events.groups import topics_by_source
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.migrations import migrate
from moocflix.platform.moving import Interrupted, SchemasDiffer, TargetInUse, move_tables
from moocflix.platform.secrets import Secrets
from moocflix.platform.settings import HttpSettings, PlatformSettings, Settings, SettingsError, load
from moocflix.platform.storage.local import LocalStorage
from moocflix.platform.storage.s3 import S3Storage
from tests.databases import in_database
from tests.factories.platform import TestPlatform, data_of
from tests.waiting import until

NAMES = [service.name for service in SERVICES]


@pytest.fixture
async def elsewhere(urls: DatabaseUrls) -> AsyncIterator[DatabaseUrls]:
    """A database for each service, migrated and empty."""
    databases = {name: f"moved_{name}" for name in NAMES}
    admin = await asyncpg.connect(urls.admin)
    for database in databases.values():
        await admin.execute(f'CREATE DATABASE "{database}"')
    own = {
        f"MOOCFLIX_DATABASE_{name.upper()}_URL": in_database(urls, database).service(name)
        for name, database in databases.items()
    }
    apart = dataclasses.replace(in_database(urls, databases["users"]), apart=own.get)
    await migrate(apart, SERVICES)
    yield apart
    for database in databases.values():
        await admin.execute(f'DROP DATABASE "{database}" WITH (FORCE)')
    await admin.close()


@pytest.fixture
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.put(f"http://{host}:{port}/moved").raise_for_status()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
async def long_ago(urls: DatabaseUrls) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Makes the log look as that of a cluster whose transaction ids are far beyond those of the new one."""
    admin = await asyncpg.connect(urls.admin)
    kept = {
        name: await admin.fetch(f"SELECT source, old_snapshot::text, last_seq FROM {name}.offsets") for name in NAMES
    }

    async def age() -> None:
        for name in NAMES:
            await admin.execute(f"UPDATE {name}.outbox SET xid = '900000600'")
            await admin.execute(f"UPDATE {name}.offsets SET old_snapshot = '900000500:900000500:', new_snapshot = NULL")

    yield age
    # Events of transactions to come would be news to every consumer that looks, for ever.
    for name, rows in kept.items():
        await admin.execute(f"DELETE FROM {name}.outbox")
        await admin.execute(f"DELETE FROM {name}.offsets")
        back = f"INSERT INTO {name}.offsets (source, old_snapshot, last_seq) VALUES ($1, $2::text::pg_snapshot, $3)"
        await admin.executemany(back, [tuple(row) for row in rows])
    await admin.close()


async def unread(platform: TestPlatform) -> dict[str, int]:
    """How many events each group has not taken, by its name: those of its topics that its inbox does not know."""
    sent: dict[str, set[UUID]] = {}
    for name in NAMES:
        for row in await platform.database(name).reader.fetch("SELECT id, topic FROM outbox"):
            sent.setdefault(row["topic"], set()).add(row["id"])
    missing = {}
    for service in SERVICES:
        wanted = {topic for topics in topics_by_source(service).values() for topic in topics}
        rows = await platform.database(service.name).reader.fetch("SELECT message_id FROM inbox")
        ids = {id for topic in wanted for id in sent.get(topic, ())}
        missing[service.name] = len(ids - {row["message_id"] for row in rows})
    return missing


async def test_what_was_under_way_arrives_in_the_new_place_once(
    platform: TestPlatform,
    settings: Settings,
    urls: DatabaseUrls,
    elsewhere: DatabaseUrls,
    long_ago: Callable[[], Awaitable[None]],
) -> None:
    course = await platform.course(modules=1, lessons=2)
    early, late = await platform.person(), await platform.person()
    enrollments = [await platform.enrollment(early, course)]
    # From here on nobody reacts: these events are written, and read by none.
    enrolled = data_of(await late.post(f"/api/v1/courses/{course.id}/enroll"))
    enrollments.append(UUID(enrolled["enrollmentId"]))
    assert sum((await unread(platform)).values()) > 0
    await long_ago()

    moved = await move_tables(routes(NAMES, urls, elsewhere))

    assert all(count > 0 for count in moved.values())
    there = TestPlatform(settings, elsewhere)
    await there.start()
    await there.settle()
    assert sum((await unread(there)).values()) == 0
    for learner, enrollment in zip((early, late), enrollments, strict=True):
        learner.http = there.http
        assert data_of(await learner.get(f"/api/progress/{enrollment}"))["progress"] == 0
    known = await there.database("progress").reader.fetchval("SELECT count(*) FROM enrollments_copy WHERE version > 0")
    assert known == 2
    # What is written from now on comes after all that has moved.
    await there.enrollment(await there.person(), course)
    assert sum((await unread(there)).values()) == 0
    await there.stop()


NOBODY = "postgresql://moocflix@127.0.0.1:1/moocflix"


S3 = {"MOOCFLIX_STORAGE_KIND": "s3"}


@pytest.fixture
def embedded(tmp_path: Path, settings: Settings, urls: DatabaseUrls) -> Settings:
    """An installation that is stopped, over the test's own database."""
    (tmp_path / "here" / "run").mkdir(parents=True)
    return load(
        environ={
            "MOOCFLIX_CONFIG": os.devnull,
            "MOOCFLIX_DATA": str(tmp_path / "here"),
            "MOOCFLIX_SECRETS_FOLDER": str(Secrets.of(settings).folder),
            "MOOCFLIX_DATABASE_URL": urls.admin,
        }
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (S3, "MOOCFLIX_STORAGE_S3_BUCKET must name a bucket"),
        ({**S3, "MOOCFLIX_STORAGE_S3_BUCKET": "lost"}, "Nothing is moved: the bucket lost does not answer"),
        ({}, r"The database moocflix at 127.0.0.1:1 cannot be used: .*Connect call failed"),
        # The owner's password comes from a secret that this place has none of yet, and makes up.
        ({"MOOCFLIX_DATABASE_URL": "{here}"}, 'cannot be used: password authentication failed for user "moocflix_own'),
    ],
    ids=["no bucket named", "no such bucket", "nobody listens", "wrong password"],
)
async def test_what_the_target_lacks_is_a_sentence_before_a_row_has_moved(
    embedded: Settings, urls: DatabaseUrls, s3_endpoint: str, given: dict[str, str], said: str
) -> None:
    there = {
        "MOOCFLIX_CONFIG": os.devnull,
        "MOOCFLIX_DATA": str(embedded.of(PlatformSettings).data.with_name("there")),
        "MOOCFLIX_STORAGE_S3_ENDPOINT": s3_endpoint,
        "MOOCFLIX_DATABASE_URL": NOBODY,
        **{name: value.replace("{here}", in_database(urls, "there").admin) for name, value in given.items()},
    }
    with pytest.raises((OperatorError, Refusal), match=said):
        await asyncio.to_thread(run, embedded, load(environ=there), replace=True, report=pytest.fail)


async def test_a_target_with_events_of_its_own_is_left_alone(
    platform: TestPlatform, urls: DatabaseUrls, elsewhere: DatabaseUrls
) -> None:
    await platform.person()
    await move_tables(routes(NAMES, urls, elsewhere))
    with pytest.raises(TargetInUse, match="users has events already"):
        await move_tables(routes(NAMES, urls, elsewhere))
    assert (await move_tables(routes(NAMES, urls, elsewhere), replace=True))["users"] > 0


async def test_a_target_that_was_not_migrated_is_refused(
    platform: TestPlatform, urls: DatabaseUrls, elsewhere: DatabaseUrls
) -> None:
    owner = await asyncpg.connect(elsewhere.owner_at(elsewhere.admin_of("content")))
    await owner.execute("DELETE FROM content.schema_migrations")
    await owner.close()
    with pytest.raises(SchemasDiffer, match="schema of content"):
        await move_tables(routes(NAMES, urls, elsewhere))


# Of those who wait for this connection's locks.
END = """
SELECT bool_or(pg_terminate_backend(pid)) FROM pg_locks
 WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))
"""


@pytest.mark.parametrize("side", ["here", "there"])
async def test_a_move_whose_database_is_lost_says_so_and_can_be_begun_again(
    platform: TestPlatform, urls: DatabaseUrls, elsewhere: DatabaseUrls, side: str
) -> None:
    await platform.person()
    other = await asyncpg.connect((urls if side == "here" else elsewhere).admin_of("users"))

    async def lose() -> None:
        async with other.transaction():
            await other.execute("LOCK TABLE users.users")
            await until(lambda: other.fetchval(END))

    losing = asyncio.create_task(lose())
    with pytest.raises(Interrupted, match=r"The rows of users have not moved: .* Begin again with --replace"):
        await move_tables(routes(NAMES, urls, elsewhere))
    await losing
    await other.close()
    assert (await move_tables(routes(NAMES, urls, elsewhere), replace=True))["users"] > 0


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_files_move_into_a_bucket_and_are_not_copied_twice(tmp_path: Path, s3_endpoint: str) -> None:
    here = LocalStorage(tmp_path, secret=b"secret")
    there = S3Storage("moved", endpoint=s3_endpoint, region="us-east-1", access_key="key", secret_key="hidden")
    await here.put("videos/1/source", pieces(b"ab", b"c"), content_type="video/webm")
    await here.put("videos/1/hls/master.m3u8", pieces(b"#EXTM3U"), content_type="application/vnd.apple.mpegurl")
    assert await move_files(here, there) == 2
    head = await there.head("videos/1/source")
    assert (head.size, head.content_type) == (3, "video/webm")
    assert b"".join([piece async for piece in there.read(head)]) == b"abc"
    await here.put("videos/2/source", pieces(b"later"), content_type="video/mp4")
    assert await move_files(here, there) == 1


def test_secrets_go_along_and_never_over_others(tmp_path: Path) -> None:
    here, there, other = (Secrets(tmp_path / name) for name in ("here", "there", "other"))
    for name in ("platform", "file-urls", "database"):
        here.text(name)
    carry_secrets(here, there)
    carry_secrets(here, there)
    assert Secrets(there.folder).text("platform") == here.text("platform")
    assert not (there.folder / "database").exists()
    assert (there.folder / "platform").stat().st_mode & 0o077 == 0
    other.text("platform")
    with pytest.raises(SecretsDiffer, match="platform"):
        carry_secrets(here, other)


def test_the_target_is_a_file_of_settings(tmp_path: Path) -> None:
    file = tmp_path / "there.env"
    file.write_text("# the new place\nMOOCFLIX_DATA=/srv/there\nexport MOOCFLIX_HTTP_PORT='9000'\n")
    assert settings_of(file).of(PlatformSettings).data == Path("/srv/there")
    assert settings_of(file).of(HttpSettings).port == 9000
    file.write_text("PORT=1\n")
    with pytest.raises(SettingsError, match="must have lines such as"):
        settings_of(file)


def test_the_example_of_the_page_is_a_distributed_installation(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/howto/move-to-distributed.md").read_text(encoding="utf-8")
    (example,) = [block for block in page.split("```") if block.startswith("sh\n# distributed.env\n")]
    file = tmp_path / "distributed.env"
    file.write_text(example.removeprefix("sh\n"))
    settings = settings_of(file)
    assert check_settings(settings) == []
    check_addresses(settings, here=(), services=NAMES)
    assert settings.of(EventsSettings).bus != "postgres"
    assert all(settings.value(f"MOOCFLIX_DATABASE_{name.upper()}_URL") for name in NAMES)
