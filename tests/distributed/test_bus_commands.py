"""`moocflix events …` as an operator types it, over brokers that run."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import httpx
import pytest

from moocflix.entrypoints.events import dead_letters, lags
from moocflix.platform.clock import utc_now
from moocflix.platform.events.broker import Parcel
from moocflix.platform.events.brokers import open_broker
from moocflix.platform.events.envelope import Message
from moocflix.platform.settings import load
from tests.distributed.brokered import Brokered, courses, known_to_enrollments
from tests.distributed.bus_office import until
from tests.distributed.frozen import frozen
from tests.journeys.test_first_course import data_of, sign_up

pytestmark = pytest.mark.parametrize("carrier", ["kafka", "rabbitmq"], indirect=True)


def waiting(rows: Sequence[Sequence[str]]) -> dict[tuple[str, str], int]:
    """How much waits, by group and address."""
    return {(row[0], row[1]): int(row[2]) for row in rows}


async def lag(brokered: Brokered) -> dict[tuple[str, str], int]:
    """What `events lag` would say, without the start of a process."""
    return waiting(await asyncio.to_thread(lags, load(environ=brokered.environ)))


async def all_is_read(brokered: Brokered) -> None:
    async def nothing_waits() -> bool:
        return not any((await lag(brokered)).values())

    await until(nothing_waits, seconds=60)


async def poison(brokered: Brokered) -> UUID:
    """Send something under the name of courses that nobody can read; its id."""
    broker = open_broker(brokered.carrier.settings)
    assert broker is not None
    key = str(uuid4())
    message = Message(uuid4(), "Course-Update", key, key, "courses", utc_now(), b'{"courseId": 7}')
    await broker.publish([Parcel("Course-Update", message)])
    await broker.close()
    return message.id


def test_list_shows_topics_with_who_reacts_and_their_other_names(brokered: Brokered) -> None:
    (line,) = [line for line in brokered.moocflix("events", "list").splitlines() if line.startswith("Course-Creation")]
    assert "enrollments" in line
    assert line.endswith("course_created")


async def test_lag_shows_what_waits_for_a_group_and_what_was_not_sent(
    brokered: Brokered, web: httpx.AsyncClient
) -> None:
    teacher = await sign_up(web, "instructor")
    await all_is_read(brokered)
    with frozen(brokered.processes["work"].pid):
        await courses(web, 5, teacher)

        async def behind() -> bool:
            found = await lag(brokered)
            return sum(number for (group, _), number in found.items() if group == "enrollments") >= 5

        await until(behind, seconds=60)
        with frozen(brokered.processes["relay"].pid):
            await courses(web, 3, teacher)
            said = waiting(brokered.table("events", "lag"))
            assert said["relay", "courses"] >= 3
            assert sum(number for (group, _), number in said.items() if group == "enrollments") >= 5
    await all_is_read(brokered)


async def test_a_group_rewound_while_events_come_ends_with_the_newest_state(
    brokered: Brokered, web: httpx.AsyncClient
) -> None:
    teacher = await sign_up(web, "instructor")
    made = await courses(web, 10, teacher)
    await until(lambda: known_to_enrollments(brokered, made))

    async def change(title: str) -> None:
        for course_id in made:
            data_of(await web.put(f"/api/v1/courses/{course_id}", json={"title": title}, headers=teacher))

    rewinding = asyncio.create_task(asyncio.to_thread(brokered.moocflix, "events", "rewind", "enrollments", "--yes"))
    rounds = 0
    while not rewinding.done() or rounds < 3:
        rounds += 1
        await change(f"Knots {rounds}")
    assert "enrollments reads again from" in await rewinding
    await change("Bends")
    await until(lambda: known_to_enrollments(brokered, made, title="Bends"), seconds=60)
    # What was sent again has all been read, and took nothing back.
    await all_is_read(brokered)
    assert await known_to_enrollments(brokered, made, title="Bends")


def test_a_group_that_acts_outside_its_database_refuses_to_be_rewound(brokered: Brokered) -> None:
    with pytest.raises(AssertionError, match="cannot be rewound"):
        brokered.moocflix("events", "rewind", "content", "--yes")


async def test_dead_letters_are_listed_tried_again_and_dropped(brokered: Brokered) -> None:
    bad = str(await poison(brokered))

    async def parked() -> bool:
        rows = await asyncio.to_thread(dead_letters, load(environ=brokered.environ), "enrollments", None, 100)
        return bad in {row[1] for row in rows}

    await until(parked, seconds=60)
    (row,) = [row for row in brokered.table("events", "dead", "list", "enrollments") if row[1] == bad]
    assert (row[0], row[2]) == ("enrollments", "Course-Update")
    assert brokered.moocflix("events", "dead", "replay", "enrollments", bad) == "1 messages are tried again.\n"
    # It fails again, and is parked again.
    await until(parked, seconds=60)
    assert brokered.moocflix("events", "dead", "drop", "enrollments", bad, "--yes") == "1 messages are forgotten.\n"
    assert not await parked()
