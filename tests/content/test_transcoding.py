"""One answer to a request, and its renditions kept, however often and by how many workers it is worked on."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from moocflix.platform.service import ServiceContext
from moocflix.services.content import jobs, transcoding
from moocflix.services.content.media.ffmpeg import FfmpegFailed, _judge
from moocflix.services.content.media.transcoder import transcode as make_renditions
from tests.content.conftest import School, pieces, platform_with
from tests.content.test_playback import download, master
from tests.content.test_video import answer_to, events, say
from tests.factories.platform import data_of
from tests.factories.videos import seen

AGAIN = """
INSERT INTO jobs (id, name, payload, unique_key)
SELECT gen_random_uuid(), name, payload, unique_key FROM jobs WHERE name = 'transcode'
"""
LOSE = """
UPDATE jobs SET attempts = attempts + 1, leased_until = clock_timestamp() - interval '1 s' WHERE name = 'transcode'
"""


class UnawareRun:
    """The run of a worker that was frozen, and has not noticed yet that another has its job."""

    def __init__(self, context: ServiceContext, request: dict[str, Any]) -> None:
        self.context = context
        self.payload = {"videoId": request["videoId"], "requestId": request["requestId"]}
        self.attempt = 1

    async def progress(self, fraction: float) -> None:
        del fraction


async def asked(school: School) -> tuple[UUID, dict[str, Any]]:
    """A video of which a transcoding was asked, and the request."""
    video_id = await school.video()
    await school.owner.post(f"/api/v1/content/{video_id}/transcode")
    return video_id, (await events(school, "Transcoding-Request"))[-1]


async def plays(school: School, video_id: UUID, folder: Path) -> bool:
    (variant,) = await master(school, video_id, viewer=school.learner)
    return seen(await download(school.platform.http, variant, folder)).frames == 50


async def test_a_transcoding_that_is_run_again_leaves_its_renditions_alone(school: School, tmp_path: Path) -> None:
    video_id = await school.video(transcode=True)
    before = await school.stored()
    await school.platform.database("content").reader.fetch(AGAIN)
    await school.platform.settle()
    assert await plays(school, video_id, tmp_path)
    assert await school.stored() == before
    assert len(await events(school, "Transcoding-Completed")) == 1


async def test_a_worker_that_comes_late_leaves_the_others_renditions_alone(
    school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video_id, request = await asked(school)
    calls: list[Path] = []
    async with platform_with(school.platform) as other:

        async def overtaken(source: Path, probe: Any, output: Path, **options: Any) -> Any:
            calls.append(output)
            made = await make_renditions(source, probe, output, **options)
            if len(calls) == 1:
                await other.settle()
                output.mkdir(parents=True, exist_ok=True)
                (output / "late.m4s").write_bytes(b"late")
            return made

        monkeypatch.setattr(transcoding, "make_renditions", overtaken)
        await jobs.transcode(UnawareRun(school.platform.context("content"), request))
    assert len(calls) == 2
    assert await plays(school, video_id, tmp_path)
    assert [key for key in await school.stored() if "late" in key] == []


async def test_a_worker_that_has_lost_its_job_does_not_answer(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    video_id, _ = await asked(school)

    async def lose(*_args: Any, **_options: Any) -> Any:
        monkeypatch.setattr(transcoding, "make_renditions", make_renditions)
        await school.platform.database("content").reader.fetch(LOSE)
        raise FfmpegFailed("its folder is gone")

    monkeypatch.setattr(transcoding, "make_renditions", lose)
    await school.platform.settle()
    assert [answer["outcome"] for answer in await events(school, "Transcoding-Completed")] == ["ready"]
    assert data_of(await school.owner.get(f"/api/v1/content/{video_id}"))["status"] == "ready"


async def test_what_a_killed_try_has_stored_goes(school: School) -> None:
    video_id, request = await asked(school)
    left = f"videos/{video_id}/{request['requestId']}/killed/240p/seg_00000.m4s"
    await school.storage.put(left, pieces(b"half"), content_type="video/iso.segment")
    await school.platform.settle()
    stored = await school.stored()
    assert left not in stored
    assert any(key.endswith("240p/seg_00000.m4s") for key in stored)


@pytest.mark.parametrize("places", [("a", "a"), ("a", "b", "a"), ("a", "a/b")])
async def test_renditions_in_the_place_of_earlier_ones_stay(school: School, places: tuple[str, ...]) -> None:
    async with platform_with(school.platform, MOOCFLIX_CONTENT_TRANSCODER="external") as external:
        video_id = await school.video()
        for place in places:
            await school.owner.post(f"/api/v1/content/{video_id}/transcode")
            request = (await events(school, "Transcoding-Request"))[-1]
            prefix = f"videos/{video_id}/{place}/"
            await school.storage.put(f"{prefix}poster.jpg", pieces(b"jpeg"), content_type="image/jpeg")
            await say(school, answer_to(request, prefix=prefix, poster_key=f"{prefix}poster.jpg"))
            await external.settle()
        # As if a day had passed, after which nobody watches the earlier ones.
        await external.database("content").reader.fetch("UPDATE jobs SET run_at = now() WHERE status = 'waiting'")
        await external.settle()
        video = data_of(await school.owner.get(f"/api/v1/content/{video_id}"))
        assert (await school.platform.http.get(video["posterUrl"])).content == b"jpeg"


async def test_a_failed_video_says_why_and_the_log_what_ffmpeg_said(
    school: School, capsys: pytest.CaptureFixture[str]
) -> None:
    video_id, _ = await asked(school)
    await school.storage.put(f"videos/{video_id}/source", pieces(b"damaged" * 1000), content_type="video/mp4")
    await school.platform.settle()
    error = data_of(await school.learner.get(f"/api/v1/content/{video_id}"))["error"]
    assert error.startswith("The video could not be transcoded: ffmpeg gave up on it with status ")
    out, err = capsys.readouterr()
    assert f"videos/{video_id}/source" in out + err


def test_a_failure_for_people_names_no_place_on_this_machine() -> None:
    with pytest.raises(FfmpegFailed) as failed:
        _judge(1, "more\n/srv/moocflix/files/source: Invalid data found\n")
    assert "/" not in str(failed.value)
    assert "/srv/moocflix/files/source: Invalid data found" in failed.value.said
