"""`moocflix events`, on the platform's own groups."""

import asyncio

from click.testing import CliRunner

from moocflix.entrypoints.events_command import events
from tests.factories.platform import Course, TestPlatform, data_of


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
    assert await title_known_to_enrollments(platform, course) == "Before"
    done = await asyncio.to_thread(CliRunner().invoke, events, ["after-restore", "--yes"], obj=platform.settings)
    assert (done.exit_code, done.output) == (0, "Every event counts as new.\n")
    assert await title_known_to_enrollments(platform, course) == "After"
