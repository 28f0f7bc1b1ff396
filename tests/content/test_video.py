"""A video's state, its transcoding and its end, over HTTP and through events."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from moocflix.contracts.content import (
    TRANSCODING_COMPLETED,
    VIDEO,
    Rendition,
    TranscodingCompleted,
    VideoPage,
    VideoState,
)
from moocflix.contracts.courses import COURSE, LESSON
from moocflix.contracts.enrollments import ENROLLMENT
from moocflix.platform import clock
from moocflix.services.content import transcoding
from moocflix.services.content.media.ffmpeg import FfmpegEnded
from moocflix.services.content.parts import Parts
from moocflix.services.content.video import operations
from tests.content.conftest import School, pieces, platform_with
from tests.factories.platform import data_of
from tests.factories.videos import QUARTERS, VideoKind, seen


async def events(school: School, topic: str) -> list[Any]:
    """The payloads that content has published under a topic, oldest first."""
    rows = await school.platform.database("content").reader.fetch(
        "SELECT data FROM outbox WHERE topic = $1 ORDER BY seq", topic
    )
    return [row["data"] for row in rows]


async def test_a_transcoded_video_is_ready_with_its_ladder(school: School) -> None:
    video_id = await school.video(VideoKind(width=640, height=360))
    asked = await school.owner.post(f"/api/v1/content/{video_id}/transcode")
    assert asked.status_code == 202
    assert data_of(asked)["status"] == "queued"
    await school.platform.settle()
    video = data_of(await school.learner.get(f"/api/v1/content/{video_id}"))
    assert (video["status"], video["progress"], video["error"]) == ("ready", 1.0, None)
    assert [(one["name"], one["width"], one["height"]) for one in video["renditions"]] == [
        ("240p", 426, 240),
        ("360p", 640, 360),
    ]
    assert video["streamUrl"] == f"/api/v1/content/{video_id}/stream"


async def test_the_transcoding_is_told_once_with_its_request(school: School) -> None:
    video_id = await school.video(transcode=True)
    (request,), (answer,) = await events(school, "Transcoding-Request"), await events(school, "Transcoding-Completed")
    assert request["videoId"] == answer["videoId"] == str(video_id)
    assert request["requestId"] == answer["requestId"]
    assert (answer["outcome"], answer["duration"]) == ("ready", 2.0)
    assert answer["version"] > request["version"]
    assert answer["prefix"].startswith(f"videos/{video_id}/{request['requestId']}/")


async def test_upload_and_transcoding_at_once(school: School) -> None:
    sent = await school.send(school.videos.content(), transcode="true")
    assert data_of(sent)["status"] == "queued"
    await school.platform.settle()
    video = data_of(await school.owner.get(f"/api/v1/content/{data_of(sent)['videoId']}"))
    assert video["status"] == "ready"


async def test_a_second_request_waits_for_the_first_to_be_answered(school: School) -> None:
    video_id = await school.video()
    path = f"/api/v1/content/{video_id}/transcode"
    statuses = [answer.status_code for answer in await asyncio.gather(*[school.owner.post(path) for _ in range(4)])]
    assert sorted(statuses) == [202, 409, 409, 409]
    await school.platform.settle()
    assert len(await events(school, "Transcoding-Completed")) == 1
    assert (await school.owner.post(path)).status_code == 202


async def test_a_video_transcoded_again_plays_the_old_renditions_until_the_new_are_there(school: School) -> None:
    video_id = await school.video(transcode=True)
    before = set(await school.stored())
    await school.owner.post(f"/api/v1/content/{video_id}/transcode")
    assert (await school.owner.get(f"/api/v1/content/{video_id}/stream")).status_code == 200
    await school.platform.settle()
    assert before < set(await school.stored())
    clock.turn(operations._KEEP_OLD)  # noqa: SLF001 - the time for which players may go on
    await school.platform.database("content").reader.fetch("UPDATE jobs SET run_at = now() WHERE status = 'waiting'")
    await school.platform.settle()
    assert len(await school.stored()) == len(before)


async def test_three_people_see_what_is_theirs_to_see(school: School) -> None:
    video_id = await school.video()
    path = f"/api/v1/content/{video_id}"
    admin = await school.platform.person(role="admin")
    people = (school.owner, school.learner, admin, school.stranger)
    assert [(await person.get(path)).status_code for person in people] == [200, 200, 200, 404]
    assert (await school.platform.http.get(path)).status_code == 401
    assert (await school.owner.get(f"/api/v1/content/{uuid4()}")).status_code == 404


@pytest.mark.parametrize(("method", "tail"), [("post", "/transcode"), ("delete", ""), ("delete", "/delete")])
async def test_only_the_owner_and_admins_change_a_video(school: School, method: str, tail: str) -> None:
    video_id = await school.video()
    path = f"/api/v1/content/{video_id}{tail}"
    refused = {
        (await getattr(school.learner, method)(path)).status_code: "learner",
        (await getattr(school.stranger, method)(path)).status_code: "stranger",
        (await school.platform.http.request(method, path)).status_code: "anonymous",
    }
    assert refused == {403: "learner", 404: "stranger", 401: "anonymous"}
    assert (await school.rows("videos"), await school.rows("transcodings")) == (1, 0)
    admin = await school.platform.person(role="admin")
    assert (await getattr(admin, method)(path)).is_success


async def test_someone_just_enrolled_is_let_in_before_their_event_has_come(school: School) -> None:
    video_id = await school.video()
    fresh = await school.platform.person()
    assert (await fresh.get(f"/api/v1/content/{video_id}")).status_code == 404
    school.platform.context("content").part(Parts).recently_refused._until.clear()  # noqa: SLF001 - five seconds have passed
    await fresh.post(f"/api/v1/courses/{school.course.id}/enroll")
    assert (await fresh.get(f"/api/v1/content/{video_id}")).status_code == 200


async def test_a_no_is_believed_for_a_moment(school: School) -> None:
    video_id = await school.video()
    assert (await school.stranger.get(f"/api/v1/content/{video_id}")).status_code == 404
    refused = school.platform.context("content").part(Parts).recently_refused
    assert (school.stranger.id, school.course.id) in refused


async def test_who_has_dropped_the_course_sees_nothing_more(school: School) -> None:
    video_id = await school.video()
    enrollments = data_of(await school.learner.get("/api/enrollments"))["enrollments"]
    await school.learner.delete(f"/api/enrollments/{enrollments[0]['enrollmentId']}")
    await school.platform.settle()
    assert (await school.learner.get(f"/api/v1/content/{video_id}")).status_code == 404


@pytest.mark.parametrize("tail", ["", "/delete"])
async def test_a_deleted_video_is_gone_at_once_and_its_objects_soon_after(school: School, tail: str) -> None:
    video_id = await school.video(transcode=True)
    assert data_of(await school.owner.delete(f"/api/v1/content/{video_id}{tail}"))["videoId"] == str(video_id)
    assert (await school.owner.get(f"/api/v1/content/{video_id}")).status_code == 404
    assert (await school.owner.get(f"/api/v1/content/{video_id}/stream")).status_code == 404
    await school.platform.settle()
    assert await school.stored() == []
    (gone,) = await events(school, "Video-Deleted")
    assert (gone["videoId"], gone["courseId"]) == (str(video_id), str(school.course.id))
    assert (await school.owner.delete(f"/api/v1/content/{video_id}{tail}")).status_code == 404


async def test_a_video_deleted_before_its_transcoding_begins_leaves_nothing(school: School) -> None:
    video_id = await school.video()
    await school.owner.post(f"/api/v1/content/{video_id}/transcode")
    await school.owner.delete(f"/api/v1/content/{video_id}")
    await school.platform.settle()
    assert await school.stored() == []
    assert await events(school, "Transcoding-Completed") == []


async def test_a_deleted_course_takes_its_videos_along(school: School) -> None:
    draft = await school.platform.course(owner=school.owner)
    sent = data_of(await school.send(school.videos.content(), courseId=str(draft.id)))
    assert (await school.owner.delete(f"/api/v1/courses/{draft.id}")).is_success
    await school.platform.settle()
    assert (await school.owner.get(f"/api/v1/content/{sent['videoId']}")).status_code == 404
    assert await school.stored() == []
    assert (await school.send(school.videos.content(), courseId=str(draft.id))).status_code == 404


async def test_a_source_that_went_missing_fails_the_transcoding_with_a_reason(school: School) -> None:
    video_id = await school.video()
    await school.storage.delete_prefix(f"videos/{video_id}/")
    await school.owner.post(f"/api/v1/content/{video_id}/transcode")
    await school.platform.settle()
    video = data_of(await school.owner.get(f"/api/v1/content/{video_id}"))
    assert (video["status"], video["error"]) == ("failed", "The uploaded file is not there any more.")
    (answer,) = await events(school, "Transcoding-Completed")
    assert (answer["outcome"], answer["error"]) == ("failed", video["error"])


async def test_renditions_show_the_video_upright(school: School, tmp_path: Any) -> None:
    video_id = await school.video(VideoKind(width=360, height=640, rotation=180), transcode=True)
    prefix = next(key for key in await school.stored() if key.endswith("360p/index.m3u8")).removesuffix("index.m3u8")
    for key in await school.stored(prefix):
        content = b"".join([piece async for piece in school.storage.read(await school.storage.head(key))])
        (tmp_path / key.rpartition("/")[2]).write_bytes(content)
    found = seen(tmp_path / "index.m3u8")
    assert (found.size, found.frames, found.sound) == ((360, 640), 50, True)
    assert found.colours == tuple(reversed(QUARTERS))
    assert data_of(await school.owner.get(f"/api/v1/content/{video_id}"))["status"] == "ready"


def answer_to(request: Any, **fields: Any) -> TranscodingCompleted:
    """What an external transcoder says."""
    folder = f"videos/{request['videoId']}/elsewhere/"
    rendition = Rendition(name="240p", width=320, height=240, bandwidth=1, codecs="avc1")
    values = {
        "outcome": "ready",
        "prefix": folder,
        "renditions": [rendition],
        "poster_key": f"{folder}poster.jpg",
        **fields,
    }
    return TranscodingCompleted(
        version=0,
        video_id=UUID(request["videoId"]),
        request_id=UUID(request["requestId"]),
        course_id=UUID(request["courseId"]),
        **values,
    )


async def say(school: School, answer: TranscodingCompleted) -> None:
    """Publish an answer as another process would."""
    async with school.platform.database("content").transaction() as tx:
        tx.publish(TRANSCODING_COMPLETED, answer)


async def test_an_external_transcoder_may_answer_and_its_first_answer_counts(school: School) -> None:
    async with platform_with(school.platform, MOOCFLIX_CONTENT_TRANSCODER="external") as external:
        video_id = await school.video()
        await school.owner.post(f"/api/v1/content/{video_id}/transcode")
        await external.settle()
        path = f"/api/v1/content/{video_id}"
        assert data_of(await school.owner.get(path))["status"] == "queued"
        (request,) = await events(school, "Transcoding-Request")
        await school.storage.put(f"videos/{video_id}/elsewhere/poster.jpg", pieces(b"jpeg"), content_type="image/jpeg")
        await say(school, answer_to(request))
        await say(school, answer_to(request, outcome="failed", error="too late"))
        await external.settle()
        video = data_of(await school.owner.get(path))
        assert (video["status"], [one["name"] for one in video["renditions"]]) == ("ready", ["240p"])
        assert (await school.platform.http.get(video["posterUrl"])).content == b"jpeg"


@pytest.mark.parametrize(
    "fields",
    [
        {"prefix": "videos/another/"},
        {"prefix": None},
        {"prefix": "{folder}"},
        {"prefix": "{folder}../{folder}a/"},
        {"prefix": "{folder}no-slash"},
        {"renditions": []},
        {"poster_key": "secrets/key"},
        {"poster_key": "{folder}../poster.jpg"},
    ],
)
async def test_an_external_answer_that_points_elsewhere_is_a_failure(school: School, fields: dict[str, Any]) -> None:
    async with platform_with(school.platform, MOOCFLIX_CONTENT_TRANSCODER="external") as external:
        video_id = await school.video()
        await school.owner.post(f"/api/v1/content/{video_id}/transcode")
        (request,) = await events(school, "Transcoding-Request")
        folder = f"videos/{video_id}/"
        named = {name: one.format(folder=folder) if isinstance(one, str) else one for name, one in fields.items()}
        await say(school, answer_to(request, **named))
        await external.settle()
        assert data_of(await school.owner.get(f"/api/v1/content/{video_id}"))["status"] == "failed"


async def test_a_request_that_nobody_answers_fails_after_a_day(school: School) -> None:
    async with platform_with(school.platform, MOOCFLIX_CONTENT_TRANSCODER="external") as external:
        video_id = await school.video()
        await school.owner.post(f"/api/v1/content/{video_id}/transcode")
        await external.settle()
        async with school.platform.database("content").transaction() as tx:
            await tx.execute("UPDATE transcodings SET requested_at = requested_at - interval '25 hours'")
            await tx.execute("INSERT INTO jobs (id, name) VALUES (gen_random_uuid(), 'give-up-transcodings')")
        await external.settle()
        video = data_of(await school.owner.get(f"/api/v1/content/{video_id}"))
        assert video["status"] == "failed"
        assert "nobody has answered" in video["error"]


async def test_a_request_whose_job_died_is_answered(school: School) -> None:
    video_id = await school.video()
    await school.owner.post(f"/api/v1/content/{video_id}/transcode")
    async with school.platform.database("content").transaction() as tx:
        await tx.execute("UPDATE transcodings SET taken_at = now()")
        await tx.execute("INSERT INTO jobs (id, name) VALUES (gen_random_uuid(), 'give-up-transcodings')")
        await tx.execute("DELETE FROM jobs WHERE name = 'transcode'")
        await tx.execute("UPDATE jobs SET run_at = run_at - interval '1 minute'")
    await school.platform.settle()
    assert len(await events(school, "Transcoding-Completed")) == 1


async def test_services_may_ask_for_a_videos_state(school: School) -> None:
    video_id = await school.video(transcode=True)
    client = school.platform.context("courses").http("content")
    state = await client.get(f"/internal/videos/{video_id}", reply=VideoState)
    assert (state.video_id, state.course_id) == (video_id, school.course.id)
    assert (state.status, state.duration) == ("ready", 2.0)
    assert await client.find(f"/internal/videos/{uuid4()}", reply=VideoState) is None
    assert (await school.owner.get(f"/internal/videos/{video_id}")).status_code == 404


async def test_services_may_list_all_videos(school: School) -> None:
    ids = sorted([await school.video() for _ in range(3)])
    context = school.platform.context("courses")
    page = await context.http("content").get("/internal/videos", reply=VideoPage, query={"limit": 2})
    assert [video.video_id for video in page.videos] == ids[:2]
    rest, following = await VIDEO.pages(context, page.next_cursor)
    assert ([(one.video_id, one.status, one.version) for one in rest], following) == ([(ids[2], "uploaded", 1)], None)


async def test_a_worker_with_enough_to_do_leaves_a_transcoding_to_others(school: School) -> None:
    video_id = await school.video()
    await school.owner.post(f"/api/v1/content/{video_id}/transcode")
    async with school.platform.context("content").part(Parts).transcoders:
        await school.platform.settle()
        assert data_of(await school.owner.get(f"/api/v1/content/{video_id}"))["status"] == "queued"
    await due_now(school)
    assert data_of(await school.owner.get(f"/api/v1/content/{video_id}"))["status"] == "ready"


async def test_a_transcoder_that_keeps_being_killed_gives_up_with_a_reason(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(*_args: Any, **_options: Any) -> None:
        raise FfmpegEnded("ffmpeg was ended from outside")

    monkeypatch.setattr(transcoding, "make_renditions", killed)
    video_id = await school.video()
    await school.owner.post(f"/api/v1/content/{video_id}/transcode")
    for _ in range(transcoding.ATTEMPTS):
        await due_now(school)
    video = data_of(await school.owner.get(f"/api/v1/content/{video_id}"))
    assert video["status"] == "failed"
    assert f"in {transcoding.ATTEMPTS} tries" in video["error"]


async def due_now(school: School) -> None:
    """Run what waits, whenever it is due."""
    await school.platform.settle()
    await school.platform.database("content").reader.fetch("UPDATE jobs SET run_at = now() WHERE status = 'waiting'")
    await school.platform.settle()


async def test_copies_can_be_filled_from_their_owners(school: School) -> None:
    context = school.platform.context("content")
    (course,), _ = await COURSE.pages(context, None)
    (lesson,), _ = await LESSON.pages(context, None)
    (enrollment,), _ = await ENROLLMENT.pages(context, None)
    assert course == await COURSE.fetch(context, school.course.id)
    assert lesson == await LESSON.fetch(context, school.course.lessons[0][0])
    assert enrollment == await ENROLLMENT.fetch(context, enrollment.enrollment_id)
    assert (course.course_id, enrollment.user_id) == (school.course.id, school.learner.id)


async def test_a_course_whose_copy_was_lost_is_fetched_anew(school: School) -> None:
    video_id = await school.video()
    async with school.platform.database("content").transaction() as tx:
        await tx.execute("UPDATE courses_copy SET version = 0, instructor_id = NULL")
    assert (await school.owner.get(f"/api/v1/content/{video_id}")).status_code == 200
