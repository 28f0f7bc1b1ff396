"""`moocflix events …` as an operator types it, over brokers that run."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from moocflix.entrypoints.events import dead_letters, lags
from moocflix.platform.clock import utc_now
from moocflix.platform.events.broker import Parcel
from moocflix.platform.events.brokers import open_broker
from moocflix.platform.events.envelope import Message
from moocflix.platform.settings import load
from tests.distributed.brokered import Brokered, courses, known_to_enrollments
from tests.distributed.frozen import frozen
from tests.journeys.test_first_course import data_of, sign_up
from tests.waiting import until

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


async def test_lag_shows_what_waits_for_another_try(
    brokered: Brokered, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await all_is_read(brokered)
    key = str(uuid4())
    await database.execute(
        "INSERT INTO enrollments.retries (message_id, source, topic, key, subject, time, data, due_at) "
        "VALUES ($1, 'courses', 'Course-Update', $2, $2, now(), '{}', now() + interval '1 day')", uuid4(), key
    )  # fmt: skip
    found = waiting(brokered.table("events", "lag"))
    await database.execute("DELETE FROM enrollments.retries WHERE key = $1", key)
    assert {group: number for (group, address), number in found.items() if address == "retries"} == {
        "courses": 0, "enrollments": 1, "progress": 0, "content": 0
    }  # fmt: skip


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


@pytest.fixture
async def database(brokered: Brokered) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The platform's, as the owner of all tables."""
    connection = await asyncpg.connect(brokered.urls.owner_at(brokered.urls.admin))
    yield connection
    await connection.close()


async def test_a_group_gets_again_what_one_service_has_published_since_then(
    brokered: Brokered, web: httpx.AsyncClient, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    teacher = await sign_up(web, "instructor")
    old = await courses(web, 2, teacher)
    await until(lambda: known_to_enrollments(brokered, old))
    for table in ("courses.outbox", "enrollments.inbox"):
        await database.execute(f"UPDATE {table} SET time = time - interval '1 day'")
    new = await courses(web, 2, teacher)
    await until(lambda: known_to_enrollments(brokered, new))
    handled = "SELECT count(*) FROM enrollments.inbox WHERE source = 'courses' AND time > now() - interval '1 hour'"
    lost = "SELECT count(*) FROM enrollments.users_copy WHERE version = 0"
    assert (await database.fetchval(handled), await database.fetchval(lost)) == (2, 0)
    await all_is_read(brokered)
    with frozen(brokered.processes["work"].pid):
        since = (utc_now() - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S")
        said = brokered.moocflix("events", "rewind", "enrollments", "--source", "courses", "--since", since, "--yes")
        assert said == "enrollments reads again from courses.\n"
        assert (await database.fetchval(handled), await database.fetchval(lost)) == (0, 0)

        async def come() -> bool:
            # RabbitMQ counts what the sleeping worker was given only once it has given the worker up.
            found = await lag(brokered)
            return sum(number for (group, _), number in found.items() if group == "enrollments") == 2

        # Nothing that is older, and of nobody else.
        await until(come, seconds=60)
    await all_is_read(brokered)
    await until(lambda: known_to_enrollments(brokered, new))
    assert await database.fetchval(handled) == 2


async def test_a_worker_says_how_far_its_groups_are_behind(brokered: Brokered) -> None:
    await all_is_read(brokered)
    async with httpx.AsyncClient(timeout=30) as http:
        answer = await http.get(f"http://127.0.0.1:{brokered.worker_port}/metrics")
    lines = dict(line.rpartition(" ")[::2] for line in answer.text.splitlines() if not line.startswith("#"))
    expected = {
        f'moocflix_consumer_lag{{group="{group}",source="{address}"}}'
        for group, address in await lag(brokered)
        # These wait in a database, and have numbers of their own.
        if group != "relay" and address != "retries"
    }
    assert {name for name in lines if name.startswith("moocflix_consumer_lag{")} == expected
    assert {lines[name] for name in expected} == {"0.0"}


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
