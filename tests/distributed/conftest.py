"""A whole distributed installation on this machine, started as its users start it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.distributed.brokered import brokered, web
from tests.distributed.bus_servers import bus, bus_urls, carrier, kafka_server, rabbit_server
from tests.distributed.trace_receiver import Receiver, receiving
from tests.journeys.conftest import Installation, free_port, http

__all__ = [
    "brokered", "bus", "bus_urls", "carrier", "http", "installation", "kafka_server", "rabbit_server",
    "spread", "traces", "web",
]  # fmt: skip

START_SECONDS = 150


@dataclass
class Spread(Installation):
    """A running distributed platform."""

    @property
    def state(self) -> dict[str, Any]:
        """`distributed.json` as it is now."""
        found: dict[str, Any] = json.loads((self.data / "distributed.json").read_text())
        return found

    def pid(self, name: str) -> int:
        pid: int = self.state["processes"][name]["pid"]
        return pid

    def address(self, name: str) -> str:
        """Where a service itself answers, past the gateway."""
        url: str = self.state["processes"][name]["url"]
        return url


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the platform stopped while it started: {log.read_text()[-3000:]}"
        if "Ready after" in log.read_text(errors="replace"):
            assert httpx.get(f"{url}/health/ready", timeout=5).status_code == 200
            return
        time.sleep(0.1)
    pytest.fail(f"not ready after {START_SECONDS} s")


@contextmanager
def distributed(environ: dict[str, str], log: Path) -> Iterator[Spread]:
    """`moocflix distributed`, ready, and stopped as Ctrl-C would."""
    with log.open("wb") as output:
        command = [sys.executable, "-m", "moocflix", "distributed"]
        process = subprocess.Popen(command, env=environ, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{environ['MOOCFLIX_PORT']}"
    try:
        _wait_until_ready(url, process, log)
        yield Spread(url, Path(environ["MOOCFLIX_DATA"]), process, environ)
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            sys.stderr.write(log.read_text(errors="replace")[-4000:])


@pytest.fixture(scope="session")
def traces() -> Iterator[Receiver]:
    """Where the installation sends its traces."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def spread(traces: Receiver) -> Iterator[Spread]:
    """`moocflix distributed` on an empty folder and a free port, stopped as Ctrl-C would."""
    folder = Path(tempfile.mkdtemp(prefix="moocflix-distributed-"))
    folder.chmod(0o755)
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MOOCFLIX_")},
        "MOOCFLIX_PORT": str(free_port()),
        "MOOCFLIX_DATA": str(folder / "data"),
        "MOOCFLIX_HTTP_API_LIMIT": "100000",
        "MOOCFLIX_HTTP_AUTH_LIMIT": "100000",
        # Only what asks for it is traced, and sent soon.
        "MOOCFLIX_TRACES_ENDPOINT": traces.url,
        "OTEL_TRACES_SAMPLER": "parentbased_always_off",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    try:
        with distributed(environ, folder / "log") as running:
            running.metrics_url = f"{running.address('users')}/metrics"
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def installation(spread: Spread) -> Spread:
    """What the journeys run against."""
    return spread


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `-n 2 --dist loadgroup` the tests of one server stay together, in one process."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    names = getattr(item, "fixturenames", ())
    if "carrier" in names and isinstance(item, pytest.Function):
        return str(item.callspec.params["carrier"])
    return f"{item.path.parent} spread" if "spread" in names else str(item.path)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A test that was skipped has shown nothing: here everything is to run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
