"""Uploading: what is taken, what is refused, and that a refused upload leaves nothing."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from moocflix.platform.data_folder import MIN_FREE_BYTES
from moocflix.platform.database.transaction import Tx
from moocflix.platform.errors import Invalid, Unavailable
from moocflix.platform.http.form import FileMissing, FileTooLarge, FormBroken, NotAForm, UploadForm
from moocflix.platform.settings import PlatformSettings
from moocflix.services.content import intake
from moocflix.services.content.upload import operations
from moocflix.services.content.upload.model import TooManyUploads
from tests.content.conftest import School, pieces, platform_with
from tests.factories.platform import Person, TestPlatform, data_of
from tests.factories.videos import VideoKind


async def leaves_nothing(school: School) -> bool:
    return await school.stored() == [] and (await school.rows("videos"), await school.rows("uploads")) == (0, 0)


async def test_an_upload_is_stored_probed_and_answered(school: School) -> None:
    content = school.videos.content()
    response = await school.send(content, title="Lecture 1")
    data = data_of(response)
    assert response.status_code == 201
    assert data["status"] == "uploaded"
    video = data_of(await school.owner.get(f"/api/v1/content/{data['videoId']}"))
    assert (video["title"], video["status"], video["size"]) == ("Lecture 1", "uploaded", len(content))
    assert (video["width"], video["height"], video["duration"], video["hasSound"]) == (320, 240, 2.0, True)
    assert (video["renditions"], video["posterUrl"], video["streamUrl"], video["progress"]) == ([], None, None, None)
    assert await school.stored() == [f"videos/{data['videoId']}/source"]
    assert await school.rows("uploads") == 0


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (VideoKind(rotation=90), (240, 320)),
        (VideoKind(width=321, height=241), (321, 241)),
        (VideoKind(sound=False), (320, 240)),
        (VideoKind(suffix="webm"), (320, 240)),
    ],
)
async def test_unusual_videos_are_taken_as_they_are_shown(
    school: School, kind: VideoKind, size: tuple[int, int]
) -> None:
    video_id = await school.video(kind)
    video = data_of(await school.owner.get(f"/api/v1/content/{video_id}"))
    assert (video["width"], video["height"]) == size
    assert video["hasSound"] == kind.sound


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"this is no video\n" * 100, 415, "not a video"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/secret\n", 415, "not a video"),
        (b"", 400, "empty"),
        (b"\0\0\0\x18ftypmp42" + bytes(4000), 400, "incomplete"),
    ],
)
async def test_what_is_no_video_is_refused_and_leaves_nothing(
    school: School, content: bytes, status: int, words: str
) -> None:
    response = await school.send(content)
    assert response.status_code == status
    assert words in response.json()["error"]["message"]
    assert await leaves_nothing(school)


async def test_sound_without_a_picture_is_refused(school: School) -> None:
    response = await school.send(school.videos.content(VideoKind(picture=False)))
    assert response.status_code == 415
    assert "no moving picture" in response.json()["error"]["message"]
    assert await leaves_nothing(school)


async def test_a_truncated_video_is_refused(school: School) -> None:
    response = await school.send(school.videos.content()[:-2000])
    assert response.status_code == 400
    assert response.json()["error"]["details"][0]["field"] == "file"
    assert await leaves_nothing(school)


@pytest.mark.parametrize("padding", [200_000, 90_000])
async def test_a_file_over_the_limit_is_refused(school: School, padding: int) -> None:
    async with platform_with(school.platform, MOOCFLIX_CONTENT_UPLOAD_LIMIT="100000") as small:
        response = await small.http.post(
            "/api/v1/content/upload",
            data={"courseId": str(school.course.id)},
            files={"file": school.videos.content() + bytes(padding)},
            headers=school.owner.headers,
        )
    assert response.status_code == 413
    assert await leaves_nothing(school)


async def test_only_who_teaches_the_course_uploads_to_it(school: School) -> None:
    content = school.videos.content()
    admin = await school.platform.person(role="admin")
    refused = {
        (await school.send(content, sender=school.learner)).status_code,
        (await school.send(content, sender=school.stranger)).status_code,
    }
    assert refused == {403}
    anonymous = await school.platform.http.post("/api/v1/content/upload", files={"file": b"x"})
    assert anonymous.status_code == 401
    assert await leaves_nothing(school)
    assert (await school.send(content, sender=admin)).status_code == 201


async def test_a_strangers_draft_is_not_known_to_others(school: School) -> None:
    draft = await school.platform.course(owner=school.stranger, published=False)
    response = await school.send(school.videos.content(), courseId=str(draft.id))
    assert response.status_code == 404


async def test_a_course_nobody_has_heard_of_is_asked_for_and_not_found(school: School) -> None:
    assert (await school.send(b"x", courseId=str(uuid4()))).status_code == 404


async def test_a_course_whose_event_is_on_its_way_can_be_uploaded_to(school: School) -> None:
    fields = {"title": "New", "description": "d", "category": "Science", "difficulty": "Beginner"}
    course = data_of(await school.owner.post("/api/v1/courses", {**fields, "price": 0, "currency": "USD"}))
    response = await school.send(school.videos.content(), courseId=course["courseId"])
    assert response.status_code == 201


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"courseId": "none"}, "courseId"),
        ({"title": "x" * 201}, "title"),
        ({"transcode": "perhaps"}, "transcode"),
        ({"title": "a\0b"}, "title"),
    ],
)
async def test_a_wrong_field_is_named(school: School, fields: dict[str, Any], field: str) -> None:
    response = await school.send(b"x", **fields)
    assert response.status_code == 400
    assert response.json()["error"]["details"][0]["field"] == field


async def test_a_body_that_is_no_form_is_refused(school: School) -> None:
    path = "/api/v1/content/upload"
    assert (await school.owner.post(path, {"courseId": "x"})).status_code == 415
    assert (await school.owner.post(path, files={"other": b"x"})).status_code == 400
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert (await school.owner.post(path, content=b"--b\r\nbroken", headers=headers)).status_code == 400


async def test_an_upload_under_a_key_is_done_once(school: School) -> None:
    headers = {"idempotency-key": "upload-1"}
    first = await school.send(school.videos.content(), headers=headers)
    again = await school.send(school.videos.content(), headers=headers)
    assert first.status_code == 201
    assert again.content == first.content
    assert await school.rows("videos") == 1


@pytest.mark.parametrize(("last", "status"), [([{"type": "http.disconnect"}], 400), ([], 408)])
async def test_a_client_that_hangs_up_or_falls_silent_leaves_nothing(
    school: School, last: list[dict[str, str]], status: int
) -> None:
    begun = [form_start(school), school.videos.content()[:5000]]
    messages = iter([*({"type": "http.request", "body": piece, "more_body": True} for piece in begun), *last])
    sent: list[Any] = []

    async def receive() -> Any:
        message: Any = next(messages, None)
        return message or await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    given = {**FORM, **school.owner.headers, "transfer-encoding": "chunked"}
    scope: Any = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/api/v1/content/upload", "raw_path": b"/api/v1/content/upload", "query_string": b"", "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "server": ("platform", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    async with platform_with(school.platform, MOOCFLIX_HTTP_BODY_SECONDS="0.3") as impatient, asyncio.timeout(30):
        await impatient.runtime.public(scope, receive, send)
    assert sent[0]["status"] == status
    assert await leaves_nothing(school)


async def test_no_transaction_is_open_and_the_body_is_not_held_while_bytes_come_in(school: School) -> None:
    seen: list[int] = []
    database = school.platform.database("content")

    async def body() -> AsyncIterator[bytes]:
        yield form_start(school)
        for _ in range(40):
            yield bytes(1024 * 1024)
            seen.append(database.pool.open - database.pool.idle)

    response = await school.owner.post("/api/v1/content/upload", content=body(), headers=FORM)
    assert response.status_code == 400
    assert set(seen) <= {0}


async def test_an_upload_whose_sign_of_life_was_cancelled_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = [asyncpg.QueryCanceledError(), asyncpg.AdminShutdownError(), Unavailable(""), True, None]

    class Hindered:
        reader: Any = property(lambda self: self)

        async def fetchval(self, *_: object) -> object:
            outcome = outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

    monkeypatch.setattr(intake, "SIGN_EVERY", timedelta(0))
    database: Any = Hindered()
    await intake._keep_alive(database, uuid4())  # noqa: SLF001 - nothing else shows how it goes on
    assert outcomes == []


async def test_what_became_a_video_unheard_of_stays(school: School, platform: TestPlatform) -> None:
    video_id = await school.video()
    # As after a commit whose answer was lost.
    await intake._discard(platform.database("content"), school.storage, video_id)  # noqa: SLF001
    await platform.settle()
    assert await school.stored() == [f"videos/{video_id}/source"]


class Standing:
    """Uploads that stand still after their first bytes, until they may go on."""

    def __init__(self, school: School) -> None:
        self._school = school
        self.may_go_on = asyncio.Event()

    async def body(self) -> AsyncIterator[bytes]:
        yield form_start(self._school)
        await self.may_go_on.wait()
        yield self._school.videos.content() + b"\r\n--b--\r\n"

    @classmethod
    async def done(cls, school: School, platform: TestPlatform) -> httpx.Response:
        """One of the owner's that does not stand."""
        standing = cls(school)
        standing.may_go_on.set()
        return await standing.begin(platform, school.owner)

    def begin(self, platform: TestPlatform, sender: Person) -> asyncio.Task[httpx.Response]:
        headers = {**FORM, **sender.headers}
        return asyncio.create_task(platform.http.post("/api/v1/content/upload", content=self.body(), headers=headers))


async def test_of_uploads_at_once_as_many_pass_as_may_and_nobody_elses_are_counted(school: School) -> None:
    admin = await school.platform.person(role="admin")
    standing = Standing(school)
    async with platform_with(school.platform, MOOCFLIX_CONTENT_UPLOADS_AT_ONCE="2") as strict, asyncio.timeout(120):
        waiting = {standing.begin(strict, school.owner) for _ in range(6)}
        refused: set[asyncio.Task[httpx.Response]] = set()
        while len(refused) < 4:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            refused |= done
        another = standing.begin(strict, admin)
        standing.may_go_on.set()
        passed = [await one for one in (*waiting, another)]
        after = await standing.begin(strict, school.owner)
    assert [answer.status_code for answer in (*passed, after)] == [201] * 4
    for answer in [await one for one in refused]:
        assert answer.status_code == 429
        assert answer.json()["error"]["message"] == "At most 2 of your uploads go on at once: let one end first."
        assert int(answer.headers["retry-after"]) > 0


async def test_of_two_uploads_at_once_the_second_counts_the_first(school: School) -> None:
    database = school.platform.database("content")

    async def begin(tx: Tx) -> None:
        await operations.begin(tx, upload_id=uuid4(), course_id=school.course.id, user_id=school.owner.id, at_most=1)

    async def begin_alone() -> None:
        async with database.transaction() as tx:
            await begin(tx)

    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    async with database.transaction() as first, asyncio.timeout(60):
        await begin(first)
        second = asyncio.create_task(begin_alone())
        while not second.done() and not await first.fetchval(waits):
            await asyncio.sleep(0.01)
    with pytest.raises(TooManyUploads):
        await second
    assert await school.rows("uploads") == 1


async def test_an_upload_that_is_silent_counts_against_nobody(school: School) -> None:
    async with school.platform.database("content").transaction() as tx:
        for minutes in (2, 4):
            await tx.execute(
                "INSERT INTO uploads (id, course_id, user_id, alive_at) "
                "VALUES ($1, $2, $3, clock_timestamp() - $4::interval)",
                uuid4(), school.course.id, school.owner.id, timedelta(minutes=minutes),
            )  # fmt: skip
    for most, status in ((2, 201), (1, 429)):
        async with platform_with(school.platform, MOOCFLIX_CONTENT_UPLOADS_AT_ONCE=str(most)) as strict:
            answer = await Standing.done(school, strict)
        assert answer.status_code == status


@pytest.mark.parametrize(("beside", "status"), [(-1, 503), (10_000, 201)])
async def test_an_upload_that_the_disk_has_no_room_for_is_refused_before_it_is_taken(
    school: School, monkeypatch: pytest.MonkeyPatch, beside: int, status: int
) -> None:
    content, taken = school.videos.content(), []
    put = school.storage.put

    async def noted(key: str, chunks: AsyncIterator[bytes], *, content_type: str) -> None:
        taken.append(key)
        await put(key, chunks, content_type=content_type)

    monkeypatch.setattr(school.storage, "put", noted)
    usage = shutil.disk_usage(".")._replace(free=MIN_FREE_BYTES + len(content) + beside)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    response = await school.send(content)
    assert (response.status_code, len(taken)) == (status, int(status == 201))
    if status == 503:
        assert int(response.headers["retry-after"]) > 0
        assert await leaves_nothing(school)


async def test_an_upload_to_a_disk_that_is_away_is_refused(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(school.storage, "disk", lambda folder: folder / "nowhere")
    assert (await school.send(school.videos.content())).status_code == 503
    assert await leaves_nothing(school)


async def test_there_are_no_more_local_copies_than_are_probed_at_once(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = most = 0
    copy = school.storage.local_copy

    @asynccontextmanager
    async def counted(key: str, *, folder: Path) -> AsyncIterator[Path]:
        nonlocal here, most
        here += 1
        most = max(most, here)
        async with copy(key, folder=folder) as path:
            # All others that may come here do.
            await asyncio.sleep(0.2)
            yield path
        here -= 1

    monkeypatch.setattr(school.storage, "local_copy", counted)
    answers = await asyncio.gather(*(school.send(school.videos.content()) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [201] * 5
    assert most == 2


async def test_an_upload_whose_process_died_is_given_up(school: School, platform: TestPlatform) -> None:
    upload_id = uuid4()
    async with platform.database("content").transaction() as tx:
        await tx.execute(
            "INSERT INTO uploads (id, course_id, user_id, alive_at) "
            "VALUES ($1, $2, $3, clock_timestamp() - interval '11 min')",
            upload_id, school.course.id, school.owner.id,
        )  # fmt: skip
        await tx.execute("INSERT INTO jobs (id, name) VALUES (gen_random_uuid(), 'give-up-uploads')")
    await school.storage.put(f"videos/{upload_id}/source", pieces(b"left"), content_type="video/mp4")
    half = platform.settings.of(PlatformSettings).data / f"files/objects/videos/{upload_id}/source#1"
    half.write_bytes(b"what was stored when it was killed")
    await platform.settle()
    assert await leaves_nothing(school)
    assert not half.parent.exists()


FORM = {"content-type": "multipart/form-data; boundary=b"}


def form_start(school: School) -> bytes:
    return (
        f'--b\r\nContent-Disposition: form-data; name="courseId"\r\n\r\n{school.course.id}\r\n'
        '--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    ).encode()


def form(*parts: tuple[str, bytes], limit: int = 100, cut: int | None = None, step: int = 7) -> UploadForm:
    body = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
        % (name.encode(), b'; filename="f"' if name in {"file", "other"} else b"", content)
        for name, content in parts
    )
    body = (body + b"--b--\r\n")[:cut]
    chunks = pieces(*[body[at : at + step] for at in range(0, len(body), step)])
    return UploadForm(FORM["content-type"], chunks, file_limit=limit)


async def test_a_form_gives_fields_file_and_late_fields(school: School) -> None:
    given = form(("a", b"1"), ("file", b"con\r\n--tent"), ("z", "ü".encode()))
    assert await given.fields_before("file") == {"a": "1"}
    assert b"".join([piece async for piece in given.file()]) == b"con\r\n--tent"
    await given.finish()
    assert given.fields == {"a": "1", "z": "ü"}


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        (lambda: form(("a", b"1")), FileMissing),
        (lambda: form(("file", b"x" * 101)), FileTooLarge),
        (lambda: form(("file", b"x" * 90), cut=100), FormBroken),
        (lambda: form(("other", b"x")), Invalid),
        (lambda: form(("a", b"x" * 20_000), ("file", b"")), Invalid),
        (lambda: form(("a", b"\xff"), ("file", b"")), Invalid),
        (lambda: form(("a", b"\0"), ("file", b"")), Invalid),
    ],
)
async def test_a_form_that_cannot_be_taken_is_refused(given: Any, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        await read_all(given())


async def read_all(given: UploadForm) -> None:
    await given.fields_before("file")
    async for _ in given.file():
        pass
    await given.finish()


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "multipart/form-data", "multipart/mixed; boundary=b"]
)
def test_what_is_no_form_by_its_type_is_refused(content_type: str | None) -> None:
    with pytest.raises(NotAForm):
        UploadForm(content_type, pieces(), file_limit=1)
