"""Stored files behind signed URLs."""

from datetime import timedelta

import pytest

from moocflix.platform import clock
from moocflix.platform.storage.port import ObjectMissing
from tests.content.conftest import School, pieces


async def test_a_signed_url_reads_one_file_in_parts_too(school: School) -> None:
    await school.storage.put("videos/a/notes.pdf", pieces(b"0123456789"), content_type="application/pdf")
    url = await school.storage.signed_url("videos/a/notes.pdf", method="GET", seconds=60)
    http = school.platform.http
    answer = await http.get(url)
    assert (answer.status_code, answer.content) == (200, b"0123456789")
    assert answer.headers["content-type"] == "application/pdf"
    part = await http.get(url, headers={"range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    assert (await http.get(url, headers={"range": "bytes=20-"})).status_code == 416
    assert (await http.put(url, content=b"x")).status_code == 403
    assert (await http.get(url.replace("notes", "other"))).status_code == 403
    assert (await http.get(url, headers={"authorization": "Bearer stale"})).status_code == 200
    clock.turn(timedelta(seconds=61))
    assert (await http.get(url)).status_code == 403


async def test_a_signed_url_stores_one_file_with_its_type(school: School) -> None:
    url = await school.storage.signed_url("videos/b/page", method="PUT", seconds=60)
    http = school.platform.http
    answer = await http.put(url, content=b"<p>", headers={"content-type": "text/html"})
    assert answer.status_code == 200
    stored = await school.storage.head("videos/b/page")
    assert (stored.size, stored.content_type, stored.etag) == (3, "text/html", answer.headers["etag"])
    assert (await http.get(url)).status_code == 403


@pytest.mark.parametrize("path", ["x/videos/c", "0-x/videos/../secrets/key", "ffffffffff-AAAA/%2e%2e/%2e%2e/secrets"])
async def test_a_made_up_url_reads_nothing(school: School, path: str) -> None:
    assert (await school.platform.http.get(f"/api/v1/files/{path}")).status_code in {403, 404}


async def test_a_file_that_is_gone_is_missing(school: School) -> None:
    url = await school.storage.signed_url("videos/gone", method="GET", seconds=60)
    assert (await school.platform.http.get(url)).status_code == 404
    with pytest.raises(ObjectMissing):
        await school.storage.head("videos/gone")
