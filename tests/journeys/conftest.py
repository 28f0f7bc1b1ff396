"""A whole installation, started as its users start it."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

T = TypeVar("T")

START_SECONDS = 60


@dataclass
class Installation:
    """A running platform: its address, its data and its supervisor."""

    url: str
    data: Path
    process: subprocess.Popen[bytes]
    environ: dict[str, str]
    metrics_url: str = "/metrics"
    """Where its metrics are: a gateway does not show them."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the platform stopped while it started"
        try:
            if httpx.get(f"{url}/health/ready", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    pytest.fail(f"not ready after {START_SECONDS} s")


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """`moocflix up` on an empty folder and a free port, stopped as Ctrl-C would."""
    data = Path(tempfile.mkdtemp(prefix="moocflix-up-"))
    data.chmod(0o755)
    port = free_port()
    environ = {
        **os.environ,
        "MOOCFLIX_PORT": str(port),
        "MOOCFLIX_DATA": str(data / "data"),
        "MOOCFLIX_HTTP_API_LIMIT": "100000",
        "MOOCFLIX_HTTP_AUTH_LIMIT": "100000",
    }
    log = (data / "log").open("wb")
    process = subprocess.Popen([sys.executable, "-m", "moocflix", "up"], env=environ, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(url, process)
        yield Installation(url, data / "data", process, environ)
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            log.close()
            sys.stderr.write((data / "log").read_text(errors="replace")[-4000:])
            shutil.rmtree(data, ignore_errors=True)


@pytest.fixture
async def http(installation: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the installation."""
    async with httpx.AsyncClient(base_url=installation.url, timeout=30) as client:
        yield client


async def eventually(look: Callable[[], Awaitable[T | None]], *, seconds: float = 60) -> T:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = await look()
        if found is not None:
            return found
        await asyncio.sleep(0.05)
    pytest.fail(f"nothing after {seconds} s")
