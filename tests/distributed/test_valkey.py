"""What processes share in Valkey, and in Debian's Redis where it is installed; with the server away, and back."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from moocflix.entrypoints.runtime import Runtime
from moocflix.entrypoints.services import SERVICES
from moocflix.platform.cache.limiter import Limiter, MemoryLimiter, SharedLimiter
from moocflix.platform.cache.valkey import Valkey, open_valkey
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.http.kept_pages import Found, Pages, SharedPages
from moocflix.platform.settings import SettingsError, load
from tests.distributed.valkey_server import Server, binaries
from tests.factories.platform import data_of
from tests.platform.limiter_suite import LimiterSuite
from tests.platform.pages_suite import ASKED, PagesSuite, a_page
from tests.waiting import until


@pytest.fixture(scope="module", params=sorted(binaries()))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(binaries()[request.param], tmp_path_factory.mktemp(request.param))
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def valkey(server: Server) -> AsyncIterator[Valkey]:
    async with another(server) as valkey:
        yield valkey


@pytest.fixture
def limiter(valkey: Valkey) -> Limiter:
    return SharedLimiter(valkey, instead=MemoryLimiter())


@contextlib.asynccontextmanager
async def another(server: Server) -> AsyncIterator[Valkey]:
    """As another process asks it."""
    valkey = Valkey(server.url)
    yield valkey
    await valkey.close()


async def until_well(valkey: Valkey) -> None:
    """Wait until it has found its server again."""

    async def well() -> bool:
        return await valkey.fault() is None

    await until(well)


class TestLimits(LimiterSuite):
    async def test_processes_count_together(self, limiter: Limiter, server: Server) -> None:
        key = f"api:{uuid4()}"
        async with another(server) as valkey:
            other = SharedLimiter(valkey, instead=MemoryLimiter())
            verdicts = [await limiter.hit(key, limit=3, window=60), await other.hit(key, limit=3, window=60)]
            verdicts += [await limiter.hit(key, limit=3, window=60), await other.hit(key, limit=3, window=60)]
        assert [verdict.allowed for verdict in verdicts] == [True, True, True, False]

    async def test_a_crowd_larger_than_any_pool_is_counted_together(self, limiter: Limiter, valkey: Valkey) -> None:
        key = f"api:{uuid4()}"
        verdicts = await asyncio.gather(*(limiter.hit(key, limit=20, window=600) for _ in range(3_000)))
        assert sum(verdict.allowed for verdict in verdicts) == 20
        assert await valkey.fault() is None

    async def test_nobody_waits_for_one_that_is_closed(self, limiter: Limiter, valkey: Valkey, server: Server) -> None:
        server.freeze()
        hits = [asyncio.create_task(limiter.hit(f"api:{n}", limit=3, window=60)) for n in range(250)]
        await asyncio.sleep(0.05)
        await valkey.close()
        async with asyncio.timeout(10):
            assert all(verdict.allowed for verdict in await asyncio.gather(*hits))
        server.thaw()

    async def test_nothing_is_left_of_a_key_after_its_time(self, limiter: Limiter, valkey: Valkey) -> None:
        before, key = set(await valkey._client.keys("*")), f"media:{uuid4()}"  # noqa: SLF001
        await limiter.hit(key, limit=1, window=0.1)
        (name,) = set(await valkey._client.keys("*")) - before  # noqa: SLF001
        assert key.encode() not in name
        await asyncio.sleep(0.15)
        assert await valkey._client.exists(name) == 0  # noqa: SLF001

    async def test_each_counts_for_itself_while_the_server_is_away(
        self, limiter: Limiter, valkey: Valkey, server: Server
    ) -> None:
        key = f"api:{uuid4()}"
        await limiter.hit(key, limit=3, window=60)
        server.kill()
        begun = time.monotonic()
        verdicts = [await limiter.hit(key, limit=3, window=60) for _ in range(4)]
        assert time.monotonic() - begun < 0.2
        assert [verdict.allowed for verdict in verdicts] == [True, True, True, False]
        assert await valkey.fault() == "away, each process counts for itself"
        server.start()
        await until_well(valkey)
        assert (await limiter.hit(key, limit=3, window=60)).remaining == 2

    async def test_a_server_that_hangs_is_waited_for_once(
        self, limiter: Limiter, valkey: Valkey, server: Server
    ) -> None:
        server.freeze()
        begun = time.monotonic()
        await asyncio.gather(*(limiter.hit(f"api:{uuid4()}", limit=3, window=60) for _ in range(50)))
        assert time.monotonic() - begun < 1
        begun = time.monotonic()
        for _ in range(50):
            await limiter.hit(f"api:{uuid4()}", limit=3, window=60)
        assert time.monotonic() - begun < 0.1
        server.thaw()
        await until_well(valkey)


class TestPages(PagesSuite):
    @pytest.fixture
    def opened(self, valkey: Valkey) -> Callable[[float], Pages]:
        return lambda seconds: SharedPages(valkey, seconds=seconds)

    async def test_what_one_process_keeps_another_finds_until_one_of_them_drops_it(
        self, valkey: Valkey, server: Server
    ) -> None:
        async with another(server) as theirs:
            ours, other = SharedPages(valkey, seconds=60), SharedPages(theirs, seconds=60)
            ours.keep(ASKED, a_page(b"1"), mark=(await ours.look("courses", ASKED)).mark)
            await ours.look("courses", ASKED)
            found, begun = (await other.look("courses", ASKED)).answer, await other.look("courses", ("/other", b""))
            assert found is not None
            assert found.body == b"1"
            ours.drop("courses")
            await ours.dropped()
            assert (await other.look("courses", ASKED)).answer is None
            other.keep(("/other", b""), a_page(b"old"), mark=begun.mark)
            assert (await other.look("courses", ("/other", b""))).answer is None

    async def test_while_the_server_is_away_nothing_is_kept_and_nobody_waits(
        self, valkey: Valkey, server: Server
    ) -> None:
        pages = SharedPages(valkey, seconds=60)
        server.kill()
        begun = time.monotonic()
        for _ in range(20):
            found = await pages.look("courses", ASKED)
            assert found == Found(None, None)
            pages.keep(ASKED, a_page(b"1"), mark=found.mark)
            pages.drop("courses")
            await pages.dropped()
        assert time.monotonic() - begun < 0.2
        server.start()
        await until_well(valkey)
        pages.keep(ASKED, a_page(b"2"), mark=(await pages.look("courses", ASKED)).mark)
        assert (await pages.look("courses", ASKED)).answer is not None


async def test_who_has_written_reads_it_from_another_process_at_once(
    server: Server, urls: DatabaseUrls, data_folder: Path
) -> None:
    """Pages are kept for a minute here, and no broadcast tells the other process of the write."""
    environ = {
        "MOOCFLIX_DATA": str(data_folder), "MOOCFLIX_CONFIG": os.devnull, "MOOCFLIX_CACHE_URL": server.url,
        "MOOCFLIX_HTTP_CACHE_SECONDS": "60", "MOOCFLIX_HTTP_AUTH_LIMIT": "1000", "MOOCFLIX_HTTP_API_LIMIT": "10000",
    }  # fmt: skip
    async with contextlib.AsyncExitStack() as stack:
        runtimes = [Runtime(load(environ=environ), SERVICES, urls) for _ in range(2)]
        processes = []
        for runtime in runtimes:
            await runtime.start(broadcasts=False)
            stack.push_async_callback(runtime.stop)
            transport = httpx.ASGITransport(runtime.public)
            processes.append(
                await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://platform"))
            )
        one, other = processes
        body = {"name": "Ada", "email": f"{uuid4()}@example.org", "password": "correct horse", "role": "instructor"}
        token = data_of(await one.post("/api/v1/users/signup", json=body))["token"]
        told = {"authorization": f"Bearer {token}"}
        course = {
            "title": "0", "description": "D", "category": "C", "difficulty": "Beginner", "price": 0, "currency": "EUR",
            "status": "published",
        }  # fmt: skip
        path = "/api/v1/courses/" + data_of(await one.post("/api/v1/courses", json=course, headers=told))["courseId"]
        for number in range(1, 30):
            assert data_of(await other.get(path))["title"] == str(number - 1)
            data_of(await one.put(path, json={"title": str(number)}, headers=told))
            assert data_of(await other.get(path))["title"] == str(number)
        before = await one.get(path)
        # Changed past the platform, which therefore knows nothing of it: the page is a kept one.
        async with runtimes[0].contexts["courses"].database.transaction() as tx:
            await tx.execute("UPDATE courses SET title = 'changed' WHERE id = $1", path.rpartition("/")[2])
        after = await other.get(path)
    assert after.content == before.content
    own = {"x-correlation-id", "ratelimit"}
    assert {name: text for name, text in after.headers.items() if name not in own} == {
        name: text for name, text in before.headers.items() if name not in own
    }


async def test_the_platform_serves_on_without_it_and_says_so(
    server: Server, urls: DatabaseUrls, data_folder: Path
) -> None:
    environ = {"MOOCFLIX_DATA": str(data_folder), "MOOCFLIX_CONFIG": os.devnull, "MOOCFLIX_CACHE_URL": server.url}
    runtime = Runtime(load(environ=environ), SERVICES, urls)
    await runtime.start(broadcasts=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(runtime.public), base_url="http://platform") as http:
        first = await http.get("/api/v1/courses")
        server.kill()
        second = await http.get("/api/v1/courses")
        ready = await http.get("/health/ready")
        server.start()

        async def well() -> bool:
            return "rate limits" not in (await http.get("/health/ready")).text

        await until(well)
        third = await http.get("/api/v1/courses")
    await runtime.stop()
    assert (first.status_code, second.status_code, third.status_code) == (200, 200, 200)
    assert ready.status_code == 200
    assert "rate limits" in ready.text


def test_a_url_of_another_kind_stops_the_start() -> None:
    with pytest.raises(SettingsError, match="MOOCFLIX_CACHE_URL cannot be used"):
        open_valkey(load(environ={"MOOCFLIX_CONFIG": os.devnull, "MOOCFLIX_CACHE_URL": "http://localhost"}))


def test_without_a_url_each_process_has_its_own() -> None:
    assert open_valkey(load(environ={"MOOCFLIX_CONFIG": os.devnull})) is None
