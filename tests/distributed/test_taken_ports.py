"""Ports that somebody else takes while the distributed platform starts, or while it is away."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.journeys.conftest import free_port

SECONDS = 150


class Starter:
    """`moocflix distributed` on one data folder, once or again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MOOCFLIX_")}
        environ = kept | {"MOOCFLIX_PORT": str(self.port), "MOOCFLIX_DATA": str(self.data)}
        with (self.folder / "log").open("wb") as log:
            command = [sys.executable, "-m", "moocflix", "distributed"]
            self.process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)

    def said(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not done():
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)

    def until_ready(self) -> None:
        self.until(lambda: "Ready after" in self.said() or self.ended())
        assert not self.ended(), self.said()

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def pids(self) -> dict[str, int]:
        """Of what it has started, by the last word of the command."""
        found: dict[str, int] = {}
        assert self.process is not None
        for child in psutil.Process(self.process.pid).children():
            # One that has just ended has no command any more.
            with suppress(psutil.Error, IndexError):
                found[child.cmdline()[-1]] = child.pid
        return found

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)

    def state(self) -> dict[str, str]:
        """The address of each process."""
        processes = json.loads((self.data / "distributed.json").read_text())["processes"]
        return {name: process.get("url", "") for name, process in processes.items()}


@pytest.fixture(scope="module")
def starter() -> Iterator[Starter]:
    folder = Path(tempfile.mkdtemp(prefix="moocflix-ports-"))
    folder.chmod(0o755)
    starter = Starter(folder)
    try:
        yield starter
    finally:
        starter.stop()
        shutil.rmtree(folder, ignore_errors=True)


def listening(port: int) -> socket.socket:
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", port))
    taken.listen()
    return taken


def test_the_gateways_port_may_be_taken_during_the_start(starter: Starter) -> None:
    starter.start()
    starter.until(lambda: "migrations have run" in starter.said() or starter.ended())
    with listening(starter.port):
        starter.until(starter.ended)
    assert f"Port {starter.port} of 127.0.0.1 cannot be used" in starter.said()
    assert not (starter.data / "distributed.json").exists()


def test_kafkas_port_may_be_taken_while_it_is_away(starter: Starter) -> None:
    starter.start()
    starter.until_ready()
    before = starter.state()["kafka"]
    starter.stop()
    with listening(int(before.rpartition(":")[2])):
        starter.start()
        starter.until_ready()
        assert starter.state()["kafka"] != before
        for name in ("gateway", "users", "courses"):
            assert httpx.get(f"{starter.state()[name]}/health/ready").json()["status"] == "ready"
        starter.stop()
