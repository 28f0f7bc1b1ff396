"""The same story with the files in a bucket: players are sent to it, playlists stay here."""

from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import httpx
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.server import ThreadedMotoServer

from tests.content.conftest import School, platform_with
from tests.content.test_upload import FORM, form_start
from tests.factories.platform import TestPlatform, data_of


@pytest.fixture(scope="module")
def bucket() -> Iterator[dict[str, str]]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.put(f"http://{host}:{port}/videos").raise_for_status()
    yield {
        "MOOCFLIX_STORAGE_KIND": "s3",
        "MOOCFLIX_STORAGE_S3_BUCKET": "videos",
        "MOOCFLIX_STORAGE_S3_ENDPOINT": f"http://{host}:{port}",
        "MOOCFLIX_STORAGE_S3_ACCESS_KEY": "key",
        "MOOCFLIX_STORAGE_S3_SECRET_KEY": "hidden",
    }
    server.stop()


async def upload(school: School, on_s3: TestPlatform, content: bytes) -> httpx.Response:
    return await on_s3.http.post(
        "/api/v1/content/upload",
        data={"courseId": str(school.course.id), "transcode": "true"},
        files={"file": content},
        headers=school.owner.headers,
    )


async def stored(on_s3: TestPlatform) -> list[str]:
    return [found.key async for found in on_s3.context("content").storage.list("videos/")]


async def test_a_video_lives_and_ends_in_a_bucket(school: School, bucket: dict[str, str]) -> None:
    async with platform_with(school.platform, **bucket) as on_s3:
        video_id = UUID(data_of(await upload(school, on_s3, school.videos.content()))["videoId"])
        await on_s3.settle()
        path, headers = f"/api/v1/content/{video_id}/stream", school.learner.headers
        master = await on_s3.http.get(path, headers=headers)
        variant = str(master.request.url.join(master.text.splitlines()[-1]))
        playlist = await on_s3.http.get(variant)
        assert (playlist.status_code, "#EXT-X-ENDLIST" in playlist.text) == (200, True)
        segment = await on_s3.http.get(str(httpx.URL(variant).join("seg_00000.m4s")))
        assert (segment.status_code, segment.headers["cache-control"]) == (307, "private, no-store")
        async with httpx.AsyncClient() as player:
            found = await player.get(segment.headers["location"])
        assert found.headers["content-type"] == "video/iso.segment"
        source = await on_s3.http.get(f"{path}?format=file", headers=headers)
        assert source.status_code == 307
        await on_s3.http.delete(f"/api/v1/content/{video_id}", headers=school.owner.headers)
        await on_s3.settle()
        assert await stored(on_s3) == []


async def test_a_bucket_that_players_cannot_reach_is_served_through_us(school: School, bucket: dict[str, str]) -> None:
    here = {**bucket, "MOOCFLIX_STORAGE_S3_REDIRECTS": "false"}
    async with platform_with(school.platform, **here) as on_s3:
        content = school.videos.content()
        video_id = data_of(await upload(school, on_s3, content))["videoId"]
        path = f"/api/v1/content/{video_id}/stream?format=file"
        answer = await on_s3.http.get(path, headers={**school.learner.headers, "range": "bytes=10-19"})
        assert (answer.status_code, answer.content) == (206, content[10:20])


def is_signed_for(url: str, *, method: str) -> bool:
    """Whether a bucket that checks signatures, as the one here does not, would take this URL with this method."""
    address, _, signature = url.partition("&X-Amz-Signature=")
    asked = AWSRequest(method=method, url=address)
    asked.context["timestamp"] = httpx.URL(url).params["X-Amz-Date"]
    signer = S3SigV4QueryAuth(Credentials("key", "hidden"), "s3", "us-east-1", expires=60)
    return bool(signer.signature(signer.string_to_sign(asked, signer.canonical_request(asked)), asked) == signature)


async def test_the_source_is_asked_about_and_read_in_the_bucket_with_its_type(
    school: School, bucket: dict[str, str]
) -> None:
    async with platform_with(school.platform, **bucket) as on_s3, httpx.AsyncClient() as player:
        video_id = data_of(await upload(school, on_s3, school.videos.content()))["videoId"]
        for method in ("GET", "HEAD"):
            path = f"/api/v1/content/{video_id}/stream?format=file"
            answer = await on_s3.http.request(method, path, headers=school.learner.headers)
            location = answer.headers["location"]
            assert [is_signed_for(location, method=one) for one in ("GET", "HEAD")] == [
                method == "GET",
                method == "HEAD",
            ]
            found = await player.request(method, location)
            assert (found.status_code, found.headers["content-type"]) == (200, "video/mp4")


async def test_a_refused_upload_leaves_nothing_in_the_bucket(school: School, bucket: dict[str, str]) -> None:
    async with platform_with(school.platform, **bucket) as on_s3:
        before = await stored(on_s3)
        assert (await upload(school, on_s3, b"no video" * 1000)).status_code == 415
        assert await stored(on_s3) == before


async def test_a_bucket_that_is_away_is_a_503_and_leaves_nothing(school: School, bucket: dict[str, str]) -> None:
    away = {**bucket, "MOOCFLIX_STORAGE_S3_ENDPOINT": "http://127.0.0.1:9"}
    async with platform_with(school.platform, **away) as on_s3:
        answer = await upload(school, on_s3, school.videos.content())
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert await school.rows("videos") == 0


async def test_an_upload_that_was_given_up_while_it_went_on_leaves_nothing(
    school: School, bucket: dict[str, str]
) -> None:
    content, database = school.videos.content(), school.platform.database("content")

    async with platform_with(school.platform, **bucket) as on_s3:

        async def body() -> AsyncIterator[bytes]:
            yield form_start(school)
            yield content[:5000]
            async with database.transaction() as tx:
                await tx.execute("UPDATE uploads SET alive_at = alive_at - interval '11 min'")
                await tx.execute("INSERT INTO jobs (id, name) VALUES (gen_random_uuid(), 'give-up-uploads')")
            await on_s3.settle()
            assert await school.rows("uploads") == 0
            yield content[5000:] + b"\r\n--b--\r\n"

        before = await stored(on_s3)
        headers = {**FORM, **school.owner.headers}
        response = await on_s3.http.post("/api/v1/content/upload", content=body(), headers=headers)
        assert (response.status_code, "given up" in response.text) == (409, True)
        await on_s3.settle()
        assert (await stored(on_s3), await school.rows("videos")) == (before, 0)
