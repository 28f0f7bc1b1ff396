"""An upload under an `Idempotency-Key`, of which a process is cut off, or frozen for a while: one video, whatever."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import pytest

from moocflix.platform.clock import utc_now
from moocflix.services.content import intake
from moocflix.services.content.video import operations
from tests.content.conftest import School, pieces
from tests.content.test_upload import FORM, form_start
from tests.factories.platform import data_of

PATH = "/api/v1/content/upload"
HEADERS = {**FORM, "idempotency-key": "upload"}
LAPSE = "UPDATE idempotency_keys SET leased_until = clock_timestamp() - interval '1 s'"


async def nothing() -> None:
    return


async def body(school: School, meanwhile: Callable[[], Awaitable[None]] = nothing) -> AsyncIterator[bytes]:
    content = school.videos.content()
    yield form_start(school) + content[:1000]
    await meanwhile()
    yield content[1000:] + b"\r\n--b--\r\n"


async def lapse(school: School) -> None:
    """As if its process had been silent for longer than a key waits."""
    async with school.platform.database("content").transaction() as tx:
        await tx.execute(LAPSE)


async def test_a_key_is_held_for_as_long_as_the_upload_goes_on(school: School) -> None:
    reader = school.platform.database("content").reader

    async def renewed() -> None:
        await lapse(school)
        async with asyncio.timeout(60):
            while not await reader.fetchval("SELECT leased_until > clock_timestamp() FROM idempotency_keys"):
                await asyncio.sleep(0.1)
        assert (await school.owner.post(PATH, content=body(school), headers=HEADERS)).status_code == 409

    assert (await school.owner.post(PATH, content=body(school, renewed), headers=HEADERS)).status_code == 201
    assert await school.rows("videos") == 1


async def test_who_comes_back_after_another_has_done_it_does_not_do_it_again(school: School) -> None:
    answers = []

    async def another() -> None:
        await lapse(school)
        answers.append(await school.owner.post(PATH, content=body(school), headers=HEADERS))

    late = await school.owner.post(PATH, content=body(school, another), headers=HEADERS)
    assert late.status_code == 409
    video_id = data_of(answers[0])["videoId"]
    assert await school.stored() == [f"videos/{video_id}/source"]
    assert (await school.rows("videos"), await school.rows("uploads")) == (1, 0)
    again = await school.owner.post(PATH, content=body(school), headers=HEADERS)
    assert again.content == answers[0].content


async def test_another_body_of_the_same_size_is_refused_under_the_key(school: School) -> None:
    content, key = school.videos.content(), {"idempotency-key": "upload"}
    another = await school.platform.course(owner=school.owner)
    first = await school.send(content, headers=key, title="one")
    refused = [
        await school.send(content[:-1] + bytes([content[-1] ^ 1]), headers=key, title="one"),
        await school.send(content, headers=key, title="two"),
        await school.send(content, headers=key, title="one", courseId=str(another.id)),
    ]
    assert [answer.status_code for answer in refused] == [409, 409, 409]
    assert all("another body" in answer.json()["error"]["message"] for answer in refused)
    assert await school.rows("videos") == 1
    again = await school.send(content, headers=key, title="one")
    assert (again.status_code, again.content) == (201, first.content)


async def test_a_body_that_grows_past_the_first_one_is_not_read_to_its_end(school: School) -> None:
    pieces_sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal pieces_sent
        yield form_start(school)
        while True:
            pieces_sent += 1
            yield bytes(1024 * 1024)

    assert (await school.owner.post(PATH, content=body(school), headers=HEADERS)).status_code == 201
    assert (await school.owner.post(PATH, content=endless(), headers=HEADERS)).status_code == 409
    assert pieces_sent < 100


async def test_a_video_whose_commit_went_unheard_keeps_its_file(school: School) -> None:
    context, upload_id = school.platform.runtime.contexts["content"], uuid4()

    async def unheard() -> None:
        async with intake.received(
            context, upload_id=upload_id, course_id=school.course.id, user_id=school.owner.id,
            file=pieces(school.videos.content()), announced=0,
        ) as upload:  # fmt: skip
            async with context.database.transaction() as tx:
                await operations.add_video(tx, upload=upload, title="", request_id=None, now=utc_now())
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await unheard()
    assert await school.rows("videos") == 1
    assert await school.stored() == [f"videos/{upload_id}/source"]
