"""A start that is refused leaves everything as it was, and what it has made belongs to its owner alone."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from moocflix.platform import data_folder
from moocflix.platform.process import FileLock
from tests.faults.test_processes import command

TWO_WORKERS = ("up", "--workers", "2")
STARTS = {"up": TWO_WORKERS, "distributed": ("distributed",)}


@pytest.fixture
def taken_port() -> Iterator[str]:
    """A port that somebody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield str(taken.getsockname()[1])


def test_a_second_start_writes_nothing_of_the_running_platforms(tmp_path: Path) -> None:
    data = data_folder.prepare(tmp_path / "data")
    (data / "valkey").mkdir()
    (data / "valkey" / "valkey.conf").write_text("of the one that runs")
    lock = FileLock(data / "run" / "up.lock")
    try:
        assert f"already runs on {data} (process {os.getpid()})" in command(data, *TWO_WORKERS).stderr
    finally:
        lock.release()
    assert (data / "valkey" / "valkey.conf").read_text() == "of the one that runs"


@pytest.mark.parametrize("kind", STARTS)
def test_a_new_data_folder_is_its_owners(tmp_path: Path, taken_port: str, kind: str) -> None:
    data = tmp_path / "data"
    assert f"Port {taken_port}" in command(data, *STARTS[kind], MOOCFLIX_PORT=taken_port).stderr
    assert stat.S_IMODE(data.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)


@pytest.mark.parametrize("kind", STARTS)
def test_a_port_is_looked_at_where_it_is_going_to_be_listened_on(tmp_path: Path, kind: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.2", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = command(tmp_path, *STARTS[kind], MOOCFLIX_HTTP_HOST="127.0.0.2", MOOCFLIX_PORT=port).stderr
    assert f"Port {port} of 127.0.0.2 cannot be used" in said
