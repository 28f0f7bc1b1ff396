"""What the port of kept pages promises; each implementation runs these."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from moocflix.platform.http.kept_pages import Page, Pages
from moocflix.platform.http.reply import Answer

ASKED = ("/api/v1/courses", b"limit=5")
OTHER = [("/api/v1/courses", b""), ("/api/v1/courses", b"limit=6"), ("/api/v1/courses/1", b"limit=5")]


def a_page(body: bytes, service: str = "courses") -> Page:
    """A page of a service."""
    endpoint = cast("Any", SimpleNamespace(context=SimpleNamespace(name=service)))
    return Page(Answer(body, status=200, headers=[(b"etag", b'"7"')]), endpoint, secure=False)


async def body(pages: Pages, asked: tuple[str, bytes] = ASKED, service: str = "courses") -> bytes | None:
    """What is kept under it."""
    answer = (await pages.look(service, asked)).answer
    return None if answer is None else answer.body


async def keep(pages: Pages, page: Page, asked: tuple[str, bytes] = ASKED) -> None:
    """As the edge does."""
    pages.keep(asked, page, mark=(await pages.look(page.endpoint.context.name, asked)).mark)


class PagesSuite:
    """Every test takes `opened`, the fixture of a subclass: it makes pages that are kept for so many seconds."""

    @pytest.fixture
    async def pages(self, opened: Callable[[float], Pages]) -> Pages:
        pages = opened(60)
        for service in ("courses", "users"):
            pages.drop(service)
        return pages

    async def test_a_kept_page_is_found_as_it_was(self, pages: Pages) -> None:
        assert await body(pages) is None
        await keep(pages, a_page(b"1"))
        answer = (await pages.look("courses", ASKED)).answer
        assert answer is not None
        assert (answer.status, answer.headers, answer.body) == (200, [(b"etag", b'"7"')], b"1")

    async def test_it_is_found_where_the_same_was_asked_for_alone(self, pages: Pages) -> None:
        await keep(pages, a_page(b"1"))
        assert [await body(pages, asked) for asked in OTHER] == [None] * 3

    async def test_a_drop_takes_the_pages_of_one_service(self, pages: Pages) -> None:
        await keep(pages, a_page(b"1"))
        await keep(pages, a_page(b"2"), OTHER[0])
        await keep(pages, a_page(b"3", "users"), ("/users", b""))
        pages.drop("courses")
        await pages.dropped()
        assert [await body(pages), await body(pages, OTHER[0])] == [None, None]
        assert await body(pages, ("/users", b""), "users") == b"3"

    async def test_what_was_begun_before_a_drop_is_not_kept_after_it(self, pages: Pages) -> None:
        mark = (await pages.look("courses", ASKED)).mark
        pages.drop("courses")
        pages.keep(ASKED, a_page(b"old"), mark=mark)
        assert await body(pages) is None
        await keep(pages, a_page(b"new"))
        assert await body(pages) == b"new"

    async def test_it_is_kept_for_its_time_and_no_longer(self, opened: Callable[[float], Pages]) -> None:
        pages = opened(0.1)
        pages.drop("courses")
        await keep(pages, a_page(b"1"))
        assert await body(pages) == b"1"
        await asyncio.sleep(0.15)
        assert await body(pages) is None
