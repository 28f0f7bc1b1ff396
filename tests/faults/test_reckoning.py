"""The reckoning of a run with faults, on a sound platform: nothing differs, and what is made to differ is found."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.factories.platform import TestPlatform
from tests.factories.videos import VideoShelf
from tests.faults.distributed import audit
from tests.faults.distributed.client import Client, Ledger
from tests.faults.distributed.commands import Stream
from tests.faults.distributed.databases import Databases, connected
from tests.faults.distributed.world import World

SERVICES = ("users", "courses", "enrollments", "progress", "content")
COMMANDS = 80

# Each is an acknowledged command that was lost or done twice, or an event that was, as it shows in one place.
DAMAGES = (
    "UPDATE users.users SET version = version + 1 WHERE {one of} users.users",
    "DELETE FROM progress.lesson_progress WHERE {one of} progress.lesson_progress",
    "UPDATE progress.lesson_progress SET time_spent = time_spent * 2 WHERE {one of} progress.lesson_progress",
    "DELETE FROM courses.lessons WHERE {one of} courses.lessons",
    "UPDATE courses.course_figures SET student_count = student_count + 1 WHERE {one of} courses.course_figures",
    "UPDATE enrollments.courses_copy SET version = version - 1 WHERE {one of} enrollments.courses_copy",
    "UPDATE content.lessons_copy SET deleted = NOT deleted WHERE {one of} content.lessons_copy",
    "DELETE FROM content.enrollments_copy WHERE {one of} content.enrollments_copy",
    "UPDATE enrollments.enrollments SET progress_version = 99 WHERE {one of} enrollments.enrollments",
    "UPDATE content.videos SET title = '' WHERE {one of} content.videos",
    "DELETE FROM courses.inbox WHERE {one of} courses.inbox",
)
ONE_OF = re.compile(r"{one of} (\S+)")


async def work(platform: TestPlatform, folder: Path) -> tuple[Ledger, list[World]]:
    """Some clients at once, and all that follows."""
    ledger, video = Ledger(), VideoShelf(folder).content()
    clients = [
        Client(
            "http://platform", Stream(f"sound-{number}", video=video), ledger, seed=f"sound-{number}",
            transport=httpx.ASGITransport(platform.runtime.public),
        )
        for number in range(3)
    ]  # fmt: skip
    await asyncio.gather(*(client.run(COMMANDS, lambda: asyncio.sleep(0)) for client in clients))
    await platform.settle(ahead=timedelta(minutes=1))
    for client in clients:
        await client.close()
    return ledger, [client.stream.world for client in clients]


async def found(databases: Databases, worlds: list[World]) -> list[str]:
    return [*await databases.undone(), *await audit.differences(databases, worlds)]


async def test_on_a_sound_platform_nothing_differs_and_every_damage_is_found(
    platform: TestPlatform, tmp_path: Path
) -> None:
    ledger, worlds = await work(platform, tmp_path)
    assert (sum(ledger.acknowledged.values()), ledger.wrong) == (3 * COMMANDS, [])
    assert len(ledger.acknowledged) >= 12
    before: list[Any] = []
    async with connected(dict.fromkeys(SERVICES, platform.urls.admin)) as databases:
        assert await found(databases, worlds) == []
        for damage in DAMAGES:
            await databases.rows("users", ONE_OF.sub(r"ctid = (SELECT ctid FROM \1 LIMIT 1)", damage))
            after = await found(databases, worlds)
            assert set(after) - set(before), damage
            before = after
