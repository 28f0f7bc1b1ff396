"""Watching: playlists and segments behind tokens, the source with byte ranges, previews for anybody."""

import asyncio
import base64
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from moocflix.platform import clock
from moocflix.platform.http.routes import route_of
from moocflix.services.content.playback.routes import play
from tests.content.conftest import School
from tests.factories.platform import Person, data_of
from tests.factories.videos import QUARTERS, VideoKind, seen


async def master(school: School, video_id: UUID, *, viewer: Person | None = None) -> list[str]:
    """The addresses of the variants, as a player finds them."""
    path = f"/api/v1/content/{video_id}/stream"
    answer = await (viewer.get(path) if viewer else school.platform.http.get(path))
    assert answer.status_code == 200, answer.text
    lines = [line for line in answer.text.splitlines() if line and not line.startswith("#")]
    return [str(answer.request.url.join(line)) for line in lines]


async def download(http: httpx.AsyncClient, variant: str, folder: Path) -> Path:
    """Everything that a player reads of a variant, without any header of its own."""
    folder.mkdir(exist_ok=True)
    answer = await http.get(variant)
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    (folder / "index.m3u8").write_bytes(answer.content)
    names = [line for line in answer.text.splitlines() if line and not line.startswith("#")]
    names += [line.split('"')[1] for line in answer.text.splitlines() if line.startswith("#EXT-X-MAP")]
    for name in names:
        part = await http.get(str(httpx.URL(variant).join(name)))
        assert part.status_code == 200
        (folder / name).write_bytes(part.content)
    return folder / "index.m3u8"


async def test_a_player_without_headers_plays_every_rendition(school: School, tmp_path: Path) -> None:
    video_id = await school.video(VideoKind(width=640, height=360, seconds=8), transcode=True)
    variants = await master(school, video_id, viewer=school.learner)
    assert len(variants) == 2
    for number, (variant, size) in enumerate(zip(variants, [(426, 240), (640, 360)], strict=True)):
        found = seen(await download(school.platform.http, variant, tmp_path / str(number)))
        assert (found.frames, found.size, found.colours, found.sound) == (200, size, QUARTERS, True)


async def test_the_master_playlist_is_never_kept_and_segments_for_long(school: School) -> None:
    video_id = await school.video(transcode=True)
    answer = await school.learner.get(f"/api/v1/content/{video_id}/stream")
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert "no-store" in answer.headers["cache-control"]
    assert answer.text.startswith("#EXTM3U")
    assert 'RESOLUTION=320x240,CODECS="avc1' in answer.text
    (variant,) = await master(school, video_id, viewer=school.learner)
    part = await school.platform.http.get(str(httpx.URL(variant).join("seg_00000.m4s")))
    assert part.headers["content-type"] == "video/iso.segment"
    assert "immutable" in part.headers["cache-control"]
    again = await school.platform.http.get(
        str(httpx.URL(variant).join("seg_00000.m4s")), headers={"if-none-match": part.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_a_video_that_is_not_ready_is_a_conflict(school: School) -> None:
    video_id = await school.video()
    answer = await school.learner.get(f"/api/v1/content/{video_id}/stream")
    assert answer.status_code == 409
    assert "uploaded" in answer.json()["error"]["message"]


async def test_three_people_and_who_may_watch(school: School) -> None:
    video_id = await school.video(transcode=True)
    path = f"/api/v1/content/{video_id}/stream"
    admin = await school.platform.person(role="admin")
    watching = [(await person.get(path)).status_code for person in (school.owner, school.learner, admin)]
    assert watching == [200, 200, 200]
    assert (await school.stranger.get(path)).status_code == 404
    assert (await school.platform.http.get(path)).status_code == 401
    assert (await school.stranger.get(f"{path}?format=file")).status_code == 404


async def preview(school: School, video_id: UUID, **fields: Any) -> UUID:
    """Show the video in a lesson of the course that anybody may watch."""
    values = {"type": "VIDEO", "videoId": str(video_id), "content": None, "preview": True, **fields}
    lesson = await school.platform.lesson(school.owner, school.course.id, school.course.modules[0], **values)
    await school.platform.settle()
    return lesson


async def test_anybody_watches_the_video_of_a_preview(school: School, tmp_path: Path) -> None:
    video_id = await school.video(transcode=True)
    lesson = await preview(school, video_id)
    (variant,) = await master(school, video_id)
    assert seen(await download(school.platform.http, variant, tmp_path)).frames == 50
    assert (await school.stranger.get(f"/api/v1/content/{video_id}/stream")).status_code == 200
    module = school.course.modules[0]
    await school.owner.put(f"/api/v1/courses/{school.course.id}/modules/{module}/lessons/{lesson}", {"preview": False})
    await school.platform.settle()
    assert (await school.platform.http.get(f"/api/v1/content/{video_id}/stream")).status_code == 401


@pytest.mark.parametrize("fields", [{"preview": False}, {"status": "draft"}])
async def test_a_lesson_that_is_no_published_preview_opens_nothing(school: School, fields: dict[str, Any]) -> None:
    video_id = await school.video(transcode=True)
    await preview(school, video_id, **fields)
    assert (await school.platform.http.get(f"/api/v1/content/{video_id}/stream")).status_code == 401


async def test_a_preview_in_a_module_that_is_a_draft_opens_nothing(school: School) -> None:
    video_id = await school.video(transcode=True)
    await preview(school, video_id)
    assert (await school.platform.http.get(f"/api/v1/content/{video_id}/stream")).status_code == 200
    path = f"/api/v1/courses/{school.course.id}/modules"
    for module in data_of(await school.owner.get(path))["modules"]:
        module_id = module.get("moduleId", module.get("id"))
        assert (await school.owner.put(f"{path}/{module_id}", {"status": "draft"})).status_code == 200
    await school.platform.settle()
    assert (await school.platform.http.get(f"/api/v1/content/{video_id}/stream")).status_code == 401


async def test_a_lesson_of_another_course_opens_nothing(school: School) -> None:
    video_id = await school.video(transcode=True)
    theirs = await school.platform.course(owner=school.stranger)
    async with school.platform.database("content").transaction() as tx:
        await tx.execute(
            "INSERT INTO lessons_copy (lesson_id, version, course_id, module_id, video_id, preview, published) "
            "VALUES (gen_random_uuid(), 1, $1, $2, $3, true, true)",
            theirs.id,
            theirs.modules[0],
            video_id,
        )
    assert (await school.stranger.get(f"/api/v1/content/{video_id}/stream")).status_code == 404


async def test_the_poster_is_shown_behind_the_same_token(school: School) -> None:
    video_id = await school.video(transcode=True)
    url = data_of(await school.learner.get(f"/api/v1/content/{video_id}"))["posterUrl"]
    answer = await school.platform.http.get(url)
    assert (answer.headers["content-type"], answer.content[:2]) == ("image/jpeg", b"\xff\xd8")


async def test_a_forged_or_expired_token_opens_nothing(school: School) -> None:
    video_id = await school.video(transcode=True)
    (variant,) = await master(school, video_id, viewer=school.learner)
    token = variant.split("/")[-3]
    raw = bytearray(base64.urlsafe_b64decode(token + "=="))
    raw[20] ^= 1
    forged = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
    for wrong in (forged, token[:-2], "x", "x" * 500, token + "AAAA", token + "=", token + "!", f"!{token}"):
        assert (await school.platform.http.get(variant.replace(token, wrong))).status_code == 401
    clock.turn(timedelta(hours=23, minutes=59))
    assert (await school.platform.http.get(variant)).status_code == 200
    clock.turn(timedelta(minutes=2))
    assert (await school.platform.http.get(variant)).status_code == 401


async def test_a_token_ends_with_its_session(school: School) -> None:
    video_id = await school.video(transcode=True)
    (variant,) = await master(school, video_id, viewer=school.learner)
    (owners,) = await master(school, video_id, viewer=school.owner)
    await school.learner.post("/api/v1/users/logout")
    await school.platform.runtime.watch.revocations.poll()
    assert (await school.platform.http.get(variant)).status_code == 401
    assert (await school.platform.http.get(owners)).status_code == 200
    # Long after the access tokens of that session have expired by themselves.
    clock.turn(timedelta(hours=20))
    await school.platform.runtime.watch.revocations.poll()
    assert (await school.platform.http.get(variant)).status_code == 401


@pytest.mark.parametrize(
    "file",
    ["../source", "..%2fsource", "240p/../../source", "source", "240p/none.m4s", "240p", "a/b/c.m4s", "%2e%2e/source"],
)
async def test_a_token_opens_renditions_and_nothing_else(school: School, file: str) -> None:
    video_id = await school.video(transcode=True)
    (variant,) = await master(school, video_id, viewer=school.learner)
    token = variant.split("/")[-3]
    answer = await school.platform.http.get(f"http://platform/api/v1/content/play/{token}/{file}")
    assert answer.status_code in {400, 404, 405}


async def test_a_deleted_videos_token_opens_nothing(school: School) -> None:
    video_id = await school.video(transcode=True)
    (variant,) = await master(school, video_id, viewer=school.learner)
    await school.owner.delete(f"/api/v1/content/{video_id}")
    await school.platform.settle()
    assert (await school.platform.http.get(variant)).status_code == 404


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-99", slice(0, 100)),
        ("bytes=100-", slice(100, None)),
        ("bytes=-50", slice(-50, None)),
        ("bytes=0-0", slice(0, 1)),
    ],
)
async def test_the_source_is_sent_in_parts(school: School, asked: str, expected: slice) -> None:
    video_id = await school.video()
    content = school.videos.content()
    answer = await school.learner.get(f"/api/v1/content/{video_id}/stream?format=file", headers={"range": asked})
    assert answer.status_code == 206
    assert answer.content == content[expected]
    assert answer.headers["content-range"].endswith(f"/{len(content)}")
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["content-type"] == "video/mp4"


async def test_the_source_is_sent_whole_with_what_a_player_needs_to_ask_for_parts(school: School) -> None:
    video_id = await school.video(VideoKind(suffix="webm"))
    path = f"/api/v1/content/{video_id}/stream?format=file"
    answer = await school.learner.get(path)
    assert answer.content == school.videos.content(VideoKind(suffix="webm"))
    assert answer.headers["content-type"] == "video/webm"
    assert (answer.headers["accept-ranges"], answer.headers["etag"][0]) == ("bytes", '"')
    head = await school.platform.http.head(path, headers={**school.learner.headers, "range": "bytes=0-1"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == answer.headers["content-length"]


async def test_a_range_outside_the_source_is_refused(school: School) -> None:
    video_id = await school.video()
    size = len(school.videos.content())
    path = f"/api/v1/content/{video_id}/stream?format=file"
    answer = await school.learner.get(path, headers={"range": f"bytes={size}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{size}"


async def test_if_range_sends_the_part_only_of_the_same_file(school: School) -> None:
    video_id = await school.video()
    path = f"/api/v1/content/{video_id}/stream?format=file"
    etag = (await school.learner.get(path)).headers["etag"]
    same = await school.learner.get(path, headers={"range": "bytes=0-9", "if-range": etag})
    other = await school.learner.get(path, headers={"range": "bytes=0-9", "if-range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)


async def test_segments_never_eat_a_persons_requests(school: School) -> None:
    video_id = await school.video(transcode=True)
    (variant,) = await master(school, video_id, viewer=school.learner)
    answers = await asyncio.gather(*[school.platform.http.get(variant) for _ in range(20)])
    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].headers["ratelimit-policy"].startswith('"media"')


async def test_only_a_token_that_counts_has_requests_of_its_own(school: School) -> None:
    video_id = await school.video(transcode=True)
    (variant,) = await master(school, video_id, viewer=school.learner)
    route, context = route_of(play), school.platform.context("content")
    assert route is not None
    assert route.token_counts is not None
    assert route.token_counts(context, variant.split("/")[-3])
    assert not route.token_counts(context, "made-up")


async def test_a_token_is_in_no_log(school: School, capsys: pytest.CaptureFixture[str]) -> None:
    video_id = await school.video(transcode=True)
    (variant,) = await master(school, video_id, viewer=school.learner)
    await school.platform.http.get(variant)
    out, err = capsys.readouterr()
    assert variant.split("/")[-3] not in out + err
