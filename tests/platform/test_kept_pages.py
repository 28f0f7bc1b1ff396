"""Kept pages: nobody can tell them from fresh ones."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from moocflix.platform import logs
from moocflix.platform.http.kept_pages import MemoryPages, Pages
from tests.platform.pages_suite import ASKED, PagesSuite, a_page, body, keep
from tests.platform.probe import Probe

OWN = {"x-correlation-id", "ratelimit"}
"""What differs from one request to the next."""


@pytest.fixture
async def kept(start: Callable[..., Awaitable[Probe]]) -> Probe:
    """A probe whose pages are kept for as long as a test takes."""
    return await start(MOOCFLIX_HTTP_CACHE_SECONDS="600", MOOCFLIX_HTTP_CORS_ORIGINS="https://app.example")


async def page(probe: Probe) -> str:
    """A page that has been asked for; the row behind it has changed since."""
    made = (await probe.post("/things", {"name": "page"})).json()["data"]["thingId"]
    assert (await probe.http.get(f"/things/{made}")).json()["data"]["name"] == "page"
    async with probe.runtime.contexts["probe"].database.transaction() as tx:
        await tx.execute("UPDATE things SET name = 'changed'")
    return f"/things/{made}"


def told(answer: httpx.Response) -> tuple[int, dict[str, str]]:
    return answer.status_code, {name: value for name, value in answer.headers.items() if name not in OWN}


async def test_a_page_is_kept_and_dropped_with_a_write(kept: Probe) -> None:
    path = await page(kept)
    assert (await kept.http.get(path)).json()["data"]["name"] == "page"
    kept.runtime.pages.drop("probe")
    assert (await kept.http.get(path)).json()["data"]["name"] == "changed"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "headers", [{}, {"origin": "https://app.example"}, {"if-none-match": '"3"'}, {"if-none-match": '"4"'}]
)
@pytest.mark.parametrize("caller", ["nobody", "somebody"])
async def test_a_kept_page_is_answered_like_a_fresh_one(
    kept: Probe, method: str, headers: dict[str, str], caller: str
) -> None:
    path = await page(kept)
    if caller == "somebody":
        headers = {**headers, "authorization": f"Bearer {kept.token}"}
    of_cache = await kept.http.request(method, path, headers=headers)
    kept.runtime.pages.drop("probe")
    fresh = await kept.http.request(method, path, headers=headers)
    status, said = told(fresh)
    # The row behind the page was given a longer name.
    longer = len("changed") - len("page")
    if "content-length" in said:
        said["content-length"] = str(int(said["content-length"]) - longer)
    assert told(of_cache) == (status, said)
    assert len(of_cache.content) == max(len(fresh.content) - longer, 0)


async def test_a_kept_page_is_nothing_on_another_method_query_or_listener(kept: Probe) -> None:
    path = await page(kept)
    assert (await kept.http.post(path, json={})).status_code == 405
    assert (await kept.http.get(path, params={"a": "1"})).json()["data"]["name"] == "changed"
    internal = httpx.ASGITransport(kept.runtime.internal)
    async with httpx.AsyncClient(transport=internal, base_url="http://probe") as http:
        assert (await http.get(path)).status_code == 404


async def test_a_kept_page_asks_for_a_good_token_too(kept: Probe) -> None:
    refused = await kept.http.get(await page(kept), headers={"authorization": "Bearer nonsense"})
    assert (refused.status_code, refused.json()["status"]) == (401, "error")


async def test_kept_pages_are_counted_limited_and_logged(start: Callable[..., Awaitable[Probe]], tmp_path: Any) -> None:
    probe = await start(MOOCFLIX_HTTP_CACHE_SECONDS="600", MOOCFLIX_HTTP_API_LIMIT="2")
    path = await page(probe)
    with (tmp_path / "log").open("w") as out:
        lines = logs.configure(out=out)
        answers = [await probe.http.get(path, headers={"x-correlation-id": f"kept-{n}"}) for n in range(2)]
        lines.flush()
        logs.configure()
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[0].headers["x-correlation-id"] == "kept-0"
    logged = (tmp_path / "log").read_text()
    assert '"route":"/things/{thing_id}","status":200' in logged
    metrics = (await probe.http.get("/metrics")).text
    assert 'route="/things/{thing_id}",service="probe",status="429"' in metrics


class TestMemory(PagesSuite):
    @pytest.fixture
    def opened(self) -> Callable[[float], Pages]:
        return lambda seconds: MemoryPages(seconds=seconds)

    async def test_it_keeps_no_more_than_it_may(self) -> None:
        pages = MemoryPages(seconds=60, pages=2)
        for number in range(3):
            await keep(pages, a_page(b"%d" % number), ("/", b"%d" % number))
        assert [await body(pages, ("/", b"%d" % number)) for number in range(3)] == [None, b"1", b"2"]

    async def test_none_is_kept_for_no_time(self) -> None:
        pages = MemoryPages(seconds=0)
        await keep(pages, a_page(b"1"))
        assert await body(pages, ASKED) is None
