"""`moocflix events`, on the platform's own groups."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner, Result

from moocflix.entrypoints.events_command import events
from moocflix.entrypoints.services import SERVICES
from moocflix.platform.clock import utc_now
from moocflix.platform.events.groups import NotFollowed, topics_by_source
from moocflix.platform.events.postgres import PositionLost
from tests.factories.platform import Course, TestPlatform, data_of


async def moocflix(platform: TestPlatform, *arguments: str) -> Result:
    """What `moocflix events …` says."""
    return await asyncio.to_thread(CliRunner().invoke, events, arguments, obj=platform.settings)


async def title_known_to_enrollments(platform: TestPlatform, course: Course) -> str:
    await platform.settle()
    query = "SELECT title FROM courses_copy WHERE course_id = $1"
    title: str = await platform.database("enrollments").reader.fetchval(query, course.id)
    return title


async def test_after_a_restore_groups_read_on(platform: TestPlatform) -> None:
    course = await platform.course(title="Before")
    async with platform.database("enrollments").transaction() as tx:
        # As a dump leaves it: a number of a cluster that is no more, far ahead of this one's.
        await tx.execute("UPDATE offsets SET old_snapshot = '900000000:900000000:', new_snapshot = NULL")
    data_of(await course.owner.put(f"/api/v1/courses/{course.id}", {"title": "After"}))
    with pytest.raises(PositionLost):
        await platform.settle()
    done = await moocflix(platform, "after-restore", "--yes")
    assert (done.exit_code, done.output) == (0, "Every event counts as new.\n")
    assert await title_known_to_enrollments(platform, course) == "After"


async def test_lag_shows_what_waits_for_another_try(platform: TestPlatform) -> None:
    await platform.settle()
    async with platform.database("courses").transaction() as tx:
        poison = "INSERT INTO outbox (id, topic, key, subject, data) VALUES ($1, 'Course-Update', $2, $2, '{}')"
        await tx.execute(poison, uuid4(), str(uuid4()))
    await platform.settle()
    lines = [line.split() for line in (await moocflix(platform, "lag")).output.splitlines()]
    assert ["enrollments", "retries", "1"] in [line[:3] for line in lines]
    assert ["users", "retries"] not in [line[:2] for line in lines]


async def handled(platform: TestPlatform) -> set[tuple[str, UUID]]:
    """What enrollments remembers of having handled, with where it came from."""
    rows = await platform.database("enrollments").reader.fetch("SELECT source, message_id FROM inbox")
    return {(row["source"], row["message_id"]) for row in rows}


async def stand(platform: TestPlatform) -> list[Any]:
    """Where the group of enrollments stands, and how new its copies are."""
    reader = platform.database("enrollments").reader
    kept = {
        "offsets": "SELECT source, new_snapshot::text, last_seq FROM offsets ORDER BY source",
        "leases": "SELECT token, holder FROM leases WHERE name = 'events'",
        "courses": "SELECT course_id, version FROM courses_copy ORDER BY course_id",
        "users": "SELECT user_id, version FROM users_copy ORDER BY user_id",
    }
    return [await reader.fetch(query) for query in kept.values()]


async def test_a_group_reads_again_what_one_service_has_published_since_then(platform: TestPlatform) -> None:
    course = await platform.course(title="Before")
    await platform.settle()
    for name, table in (("courses", "outbox"), ("users", "outbox"), ("enrollments", "inbox")):
        async with platform.database(name).transaction() as tx:
            await tx.execute(f"UPDATE {table} SET time = time - interval '1 hour'")
    long_ago = await handled(platform)
    data_of(await course.owner.put(f"/api/v1/courses/{course.id}", {"title": "After"}))
    await platform.person()
    assert await title_known_to_enrollments(platform, course) == "After"
    all_of_it = await handled(platform)
    # Without a zone, which is UTC.
    since = (utc_now() - timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%S")

    done = await moocflix(platform, "rewind", "enrollments", "--source", "courses", "--since", since, "--yes")

    assert (done.exit_code, done.output) == (0, "enrollments reads again from courses.\n")
    assert await handled(platform) == long_ago | {each for each in all_of_it if each[0] == "users"}
    reader = platform.database("enrollments").reader
    assert await reader.fetchval("SELECT max(version) FROM courses_copy") == 0
    assert await reader.fetchval("SELECT min(version) FROM users_copy") > 0
    assert await title_known_to_enrollments(platform, course) == "After"
    assert await handled(platform) == all_of_it


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["enrollments", "--source", "corses"], "enrollments does not read from corses; it reads from courses, users,"),
        (["enrollments", "--source", "users", "--source", "content"], "enrollments does not read from content;"),
        (["users"], "users does not read from any service; it reads from none."),
    ],
)
async def test_a_group_is_not_rewound_for_what_it_does_not_read(
    platform: TestPlatform, arguments: list[str], said: str
) -> None:
    await platform.course()
    await platform.settle()
    before = await stand(platform)
    done = await moocflix(platform, "rewind", *arguments, "--yes")
    assert isinstance(done.exception, NotFollowed)
    assert said in str(done.exception)
    assert await stand(platform) == before


def test_every_copy_is_of_a_service_that_the_group_reads_from() -> None:
    """Otherwise no rewind would fill it anew."""
    for service in SERVICES:
        assert {copy.owner for copy in service.copies} <= topics_by_source(service).keys()
