"""The two pages: what they say, and that they need nothing from anywhere else."""

import re
from importlib.resources import files

import pytest

from moocflix.web import pages
from tests.factories.platform import TestPlatform

ASSETS = sorted(entry.name for entry in (files("moocflix.web") / "assets").iterdir())


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_a_page_asks_only_its_own_process_for_files(platform: TestPlatform, path: str) -> None:
    page = await platform.http.get(path)
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"] == pages.CONTENT_SECURITY_POLICY
    for address in re.findall(r'(?:src|href)="(?!#)([^"]+)"', page.text):
        assert address.startswith("/"), address
        if address.startswith("/assets/"):
            assert (await platform.http.get(address)).status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/assets/home.js"])
async def test_pages_are_counted_like_any_request(platform: TestPlatform, path: str) -> None:
    answer = await platform.http.get(path)
    assert answer.headers["ratelimit-policy"].startswith('"api"')


@pytest.mark.parametrize("name", ASSETS)
async def test_every_file_is_served_with_its_type_and_names_no_other_host(platform: TestPlatform, name: str) -> None:
    answer = await platform.http.get(f"/assets/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(("text/css", "text/javascript", "image/svg+xml"))
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg|example\.org)", answer.text)


async def test_other_names_are_not_there(platform: TestPlatform) -> None:
    assert (await platform.http.get("/assets/pages.py")).status_code == 404
    assert pages.asset("../pages.py") is None


async def test_the_first_page_says_what_is_running(platform: TestPlatform) -> None:
    text = (await platform.http.get("/")).text
    assert 'href="/docs"' in text
    for service in ("users", "courses", "enrollments", "progress", "content"):
        assert f"<strong>{service}</strong>" in text


def test_what_a_service_says_of_itself_is_text() -> None:
    page = pages.home(version="1", mode="<b>", address="http://x", services=[("a", "<script>")])
    assert b"<script>" not in page.body.partition(b"<main")[2]
    assert b"&lt;b&gt;" in page.body


def test_no_page_has_anything_inline() -> None:
    for page in (pages.api_browser(), pages.home(version="1", mode="m", address="a", services=[])):
        text = page.body.decode()
        assert not re.search(r"<style|style=|<script(?![^>]*src=)|\son\w+=", text)
