"""Videos that lessons show: which may be shown, how long they are, and what becomes of a lesson when its video goes."""

from typing import Any
from uuid import UUID

import pytest

from moocflix.contracts.content import (
    TRANSCODING_COMPLETED,
    VIDEO_DELETED,
    TranscodingCompleted,
    VideoDeleted,
)
from moocflix.platform.errors import Unavailable
from moocflix.platform.events import copies
from moocflix.platform.ids import new_id
from moocflix.services.courses.service import service
from tests.factories.courses import alone, faults, path_of, published, upload
from tests.factories.platform import Course, TestPlatform, data_of
from tests.factories.videos import VideoShelf


def lessons_path(course: Course, *parts: object) -> str:
    return path_of(course.id, "modules", course.modules[0], "lessons", *parts)


async def read(course: Course, lesson_id: Any) -> Any:
    return data_of(await course.owner.get(lessons_path(course, lesson_id)))


def showing(video_id: UUID) -> dict[str, Any]:
    """A lesson with this video."""
    return {"title": "Look", "type": "VIDEO", "videoId": str(video_id)}


async def kept(platform: TestPlatform) -> list[tuple[UUID, UUID, int | None]]:
    """The copy of videos."""
    rows = await platform.database("courses").reader.fetch("SELECT id, course_id, duration FROM videos ORDER BY id")
    return [(row["id"], row["course_id"], row["duration"]) for row in rows]


async def transcoded(
    platform: TestPlatform, course: Course, video_id: UUID, *, seconds: float | None, version: int = 1
) -> None:
    """Content says what came of a video; no seconds: it failed."""
    async with platform.database("content").transaction() as tx:
        event = TranscodingCompleted(
            version=version,
            video_id=video_id,
            request_id=new_id(),
            course_id=course.id,
            outcome="failed" if seconds is None else "ready",
            duration=seconds,
        )
        tx.publish(TRANSCODING_COMPLETED, event)
    await platform.settle()


async def video_deleted(platform: TestPlatform, course: Course, video_id: UUID, *, version: int = 2) -> None:
    """Content says that a video is gone."""
    async with platform.database("content").transaction() as tx:
        tx.publish(VIDEO_DELETED, VideoDeleted(version=version, video_id=video_id, course_id=course.id))
    await platform.settle()


async def test_a_videos_lesson_leads_to_its_stream(platform: TestPlatform) -> None:
    course = await platform.course(lessons=0)
    await transcoded(platform, course, video_id := new_id(), seconds=50)
    lesson_id = await platform.lesson(course.owner, course.id, course.modules[0], type="VIDEO", videoId=str(video_id))
    assert (await read(course, lesson_id))["url"] == f"/api/v1/content/{video_id}/stream"
    data_of(await course.owner.put(lessons_path(course, lesson_id), {"url": "https://example.org/a.mp4"}))
    assert (await read(course, lesson_id))["url"] == "https://example.org/a.mp4"


async def test_a_lesson_takes_its_videos_duration_where_it_has_none(platform: TestPlatform) -> None:
    course = await platform.course(lessons=0)
    video = {"type": "VIDEO", "videoId": str(video_id := new_id())}
    await transcoded(platform, course, video_id, seconds=None)
    untimed = await platform.lesson(course.owner, course.id, course.modules[0], **video)
    timed = await platform.lesson(course.owner, course.id, course.modules[0], **video, duration=10)
    await transcoded(platform, course, video_id, seconds=123.4, version=2)
    await transcoded(platform, course, video_id, seconds=99, version=1)
    assert [(await read(course, id))["duration"] for id in (untimed, timed)] == [123, 10]
    (event,) = await published(platform, "Lesson-Updated")
    assert (event["lessonId"], event["duration"], event["version"]) == (str(untimed), 123, 2)
    assert data_of(await course.owner.get(path_of(course.id)))["duration"] == 3
    later = await platform.lesson(course.owner, course.id, course.modules[0], **video)
    assert (await read(course, later))["duration"] == 123


async def test_another_video_brings_its_own_duration(platform: TestPlatform) -> None:
    course = await platform.course(lessons=0)
    short, long, unknown = new_id(), new_id(), new_id()
    await transcoded(platform, course, short, seconds=10)
    await transcoded(platform, course, long, seconds=1000)
    await transcoded(platform, course, unknown, seconds=None)
    lesson_id = await platform.lesson(course.owner, course.id, course.modules[0], type="VIDEO", videoId=str(short))
    for video_id, seconds in ((long, 1000), (unknown, None), (short, 10)):
        data_of(await course.owner.put(lessons_path(course, lesson_id), {"videoId": str(video_id)}))
        assert (await read(course, lesson_id))["duration"] == seconds


async def test_a_lesson_loses_a_deleted_video(platform: TestPlatform) -> None:
    course = await platform.course(lessons=0)
    video = {"type": "VIDEO", "videoId": str(video_id := new_id())}
    await transcoded(platform, course, video_id, seconds=50)
    untimed = await platform.lesson(course.owner, course.id, course.modules[0], **video)
    timed = await platform.lesson(course.owner, course.id, course.modules[0], **video, duration=10)
    await video_deleted(platform, course, video_id)
    lessons = [await read(course, id) for id in (untimed, timed)]
    assert [(one["videoId"], one["url"], one["duration"]) for one in lessons] == [(None, None, None), (None, None, 10)]
    assert {event["videoId"] for event in await published(platform, "Lesson-Updated")} == {None}
    answer = await course.owner.post(lessons_path(course), {"title": "Again", **video})
    assert faults(answer) == ["videoId"]


async def test_a_lesson_does_not_show_another_courses_video(platform: TestPlatform) -> None:
    course, other = await platform.course(lessons=0), await platform.course(lessons=0)
    await transcoded(platform, other, video_id := new_id(), seconds=50)
    body = {"title": "Not mine", "type": "VIDEO", "videoId": str(video_id)}
    assert faults(await course.owner.post(lessons_path(course), body)) == ["videoId"]


async def test_a_video_of_a_deleted_course_is_passed_over(platform: TestPlatform) -> None:
    course = await platform.course()
    data_of(await course.owner.delete(path_of(course.id)))
    await transcoded(platform, course, new_id(), seconds=50)
    assert await platform.database("courses").reader.fetchval("SELECT count(*) FROM videos") == 0


async def test_a_lesson_may_show_what_was_uploaded_a_moment_ago(platform: TestPlatform, videos: VideoShelf) -> None:
    course = await platform.course(lessons=0)
    video_id = await upload(course.owner, course.id, videos.content())
    lesson = await read(course, data_of(await course.owner.post(lessons_path(course), showing(video_id)))["lessonId"])
    assert (lesson["url"], lesson["duration"]) == (f"/api/v1/content/{video_id}/stream", 2)


async def test_a_lesson_does_not_show_a_video_that_nobody_has_uploaded(platform: TestPlatform) -> None:
    course = await platform.course(lessons=1)
    path, lesson_id = lessons_path(course), course.lessons[0][0]
    assert faults(await course.owner.post(path, showing(new_id()))) == ["videoId"]
    assert faults(await course.owner.put(f"{path}/{lesson_id}", showing(new_id()))) == ["videoId"]
    assert (await read(course, lesson_id))["version"] == 1
    assert data_of(await course.owner.get(path_of(course.id)))["lessonCount"] == 1


async def test_a_lesson_does_not_show_what_was_uploaded_for_another_course(
    platform: TestPlatform, videos: VideoShelf
) -> None:
    course, other = await platform.course(lessons=0), await platform.course(lessons=0)
    video_id = await upload(other.owner, other.id, videos.content())
    assert faults(await course.owner.post(lessons_path(course), showing(video_id))) == ["videoId"]


async def test_a_lesson_does_not_show_a_video_of_a_course_that_is_gone(
    platform: TestPlatform, videos: VideoShelf
) -> None:
    course, gone = await platform.course(lessons=0), await platform.course(lessons=0)
    video_id = await upload(gone.owner, gone.id, videos.content())
    data_of(await gone.owner.delete(path_of(gone.id)))
    assert faults(await course.owner.post(lessons_path(course), showing(video_id))) == ["videoId"]


async def test_while_content_is_away_an_unknown_video_waits(platform: TestPlatform) -> None:
    with pytest.raises(Unavailable):
        await copies.fill(service, alone(platform), "video", new_id())


async def test_lost_videos_are_filled_from_their_owner(platform: TestPlatform, videos: VideoShelf) -> None:
    course = await platform.course(lessons=0)
    ids = sorted([await upload(course.owner, course.id, videos.content()) for _ in range(2)])
    assert await kept(platform) == []
    async with platform.database("courses").transaction() as tx:
        await tx.execute("DELETE FROM copies WHERE entity = 'video'")
    await copies.want_all(service, platform.context("courses"))
    await platform.settle()
    assert await kept(platform) == [(id, course.id, 2) for id in ids]


async def test_a_video_whose_state_was_lost_is_asked_for(platform: TestPlatform, videos: VideoShelf) -> None:
    course = await platform.course(lessons=0)
    video_id = await upload(course.owner, course.id, videos.content())
    async with platform.database("courses").transaction() as tx:
        await tx.execute("INSERT INTO videos VALUES ($1, $2, NULL, true, 0)", video_id, course.id)
    data_of(await course.owner.post(lessons_path(course), showing(video_id)))
    assert await kept(platform) == [(video_id, course.id, 2)]
