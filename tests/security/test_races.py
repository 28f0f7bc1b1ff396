"""What only one may have, or may be done only once, asked for by many at once over connections of their own."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable
from typing import Any

import httpx
import pytest

from tests.factories.platform import PASSWORD, Person, TestPlatform

MANY = 50


@pytest.fixture
async def http(platform: TestPlatform, front: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client that opens a connection for each request in flight."""
    limits = httpx.Limits(max_connections=MANY, max_keepalive_connections=MANY)
    async with httpx.AsyncClient(base_url=front, limits=limits, timeout=60) as client:
        yield client


async def at_once(calls: Iterable[Awaitable[httpx.Response]]) -> Counter[int]:
    """How many answers have which status."""
    return Counter(answer.status_code for answer in await asyncio.gather(*calls))


async def rows(platform: TestPlatform, service: str, statement: str) -> Any:
    return await platform.database(service).reader.fetchval(statement)


async def test_of_many_signups_with_one_address_one_gets_it(platform: TestPlatform, http: httpx.AsyncClient) -> None:
    bodies = [{"name": f"Eve {n}", "email": "eve@example.org", "password": PASSWORD} for n in range(MANY)]
    got = await at_once(http.post("/api/v1/users/signup", json=body) for body in bodies)
    # Whoever would have to wait too long for the hashing of their password is asked to come again.
    assert got[201] == 1
    assert set(got) <= {201, 409, 503}
    assert await rows(platform, "users", "SELECT count(*) FROM users") == 1
    assert await rows(platform, "users", "SELECT count(*) FROM outbox WHERE topic = 'User-Creation'") == 1


async def test_of_many_who_want_one_username_one_gets_it(platform: TestPlatform, http: httpx.AsyncClient) -> None:
    people = [await platform.person() for _ in range(12)]
    update = {"username": "the-one-and-only"}
    got = await at_once(
        http.put("/api/v1/users/profile/update", json=update, headers=person.headers) for person in people
    )
    assert got == {200: 1, 409: 11}


async def test_of_many_changes_of_what_was_read_one_is_made(platform: TestPlatform, http: httpx.AsyncClient) -> None:
    course = await platform.course()
    path = f"/api/v1/courses/{course.id}"
    etag = (await course.owner.get(path)).headers["etag"]
    headers = course.owner.headers | {"if-match": etag}
    got = await at_once(http.put(path, json={"title": f"Title {n}"}, headers=headers) for n in range(MANY))
    assert got == {200: 1, 412: MANY - 1}


async def test_many_enrolments_of_one_person_are_one(platform: TestPlatform, http: httpx.AsyncClient) -> None:
    course, learner = await platform.course(), await platform.person()
    path = f"/api/v1/courses/{course.id}/enroll"
    got = await at_once(http.post(path, headers=learner.headers) for _ in range(MANY))
    assert got == {201: 1, 409: MANY - 1}
    assert await rows(platform, "enrollments", "SELECT count(*) FROM outbox") == 1


async def test_many_requests_under_one_key_get_one_answer(platform: TestPlatform, http: httpx.AsyncClient) -> None:
    course, learner = await platform.course(), await platform.person()
    path, headers = f"/api/v1/courses/{course.id}/enroll", learner.headers | {"idempotency-key": "once"}
    answers = await asyncio.gather(*(http.post(path, headers=headers) for _ in range(MANY)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert await rows(platform, "enrollments", "SELECT count(*) FROM enrollments") == 1


async def test_nobody_is_left_in_a_course_that_was_deleted_meanwhile(
    platform: TestPlatform, http: httpx.AsyncClient
) -> None:
    owner, learners = await platform.person(role="instructor"), [await platform.person() for _ in range(4)]
    for pause in (0, 0.002, 0.005, 0.01, 0.02, 0.04):
        course = await platform.course(owner=owner)
        deleted, enrolled = await asyncio.gather(
            _after(pause, http.delete(f"/api/v1/courses/{course.id}", headers=owner.headers)),
            asyncio.gather(*(_enrol(http, learner, course.id) for learner in learners)),
        )
        inside = enrolled.count(201)
        assert deleted.status_code == (409 if inside else 200), (deleted.text, enrolled)
    await platform.settle()
    lost = "SELECT count(*) FROM enrollments e JOIN courses_copy c USING (course_id) WHERE c.deleted"
    assert await rows(platform, "enrollments", f"{lost} AND e.status <> 'dropped'") == 0


async def _after(seconds: float, call: Awaitable[httpx.Response]) -> httpx.Response:
    await asyncio.sleep(seconds)
    return await call


async def _enrol(http: httpx.AsyncClient, learner: Person, course_id: object) -> int:
    return (await http.post(f"/api/v1/courses/{course_id}/enroll", headers=learner.headers)).status_code


async def test_many_refreshes_with_one_token_give_one_pair_and_end_the_session(
    platform: TestPlatform, http: httpx.AsyncClient
) -> None:
    ada = await platform.person()
    body = {"refreshToken": ada.refresh_token}
    got = await at_once([http.post("/api/v1/users/refresh", json=body) for _ in range(MANY)])
    assert got == {200: 1, 401: MANY - 1}
    assert await rows(platform, "users", "SELECT count(*) FROM refresh_tokens") == 2
    assert await rows(platform, "users", "SELECT count(*) FROM sessions WHERE ended_at IS NULL") == 0


async def test_an_account_that_closes_while_it_signs_in_keeps_no_session(
    platform: TestPlatform, http: httpx.AsyncClient
) -> None:
    ada = await platform.person()
    login = {"email": ada.email, "password": PASSWORD}
    calls = [http.post("/api/v1/users/login", json=login) for _ in range(8)]
    got = await at_once([*calls, http.delete("/api/v1/users/deactivate", headers=ada.headers)])
    assert set(got) <= {200, 401, 403}
    await platform.runtime.watch.revocations.poll()
    alive = "SELECT count(*) FROM sessions WHERE ended_at IS NULL"
    assert await rows(platform, "users", alive) == 0
