"""Kill any process of a platform at any time: it goes on, or the next start simply works; and what stops a start."""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import asyncpg
import httpx
import psutil
import pytest

from moocflix.platform.postgres_options import PostgresOptions
from moocflix.platform.postgres_server import PostgresServer
from tests.faults.platform_process import PASSWORD, Up, are_gone, environ, free_port, open_folder, until
from tests.faults.studio import Studio

ROOT = os.geteuid() == 0
FOUR_WORKERS = {"MOOCFLIX_HTTP_WORKERS": "4"}
BROKER = {"MOOCFLIX_EVENTS_BUS": "kafka"}


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = open_folder()
    yield folder
    shutil.rmtree(folder)


class Writer:
    """Somebody who changes their name over and over, and remembers which change was acknowledged last."""

    def __init__(self, up: Up) -> None:
        self._up = up
        signed_up = up.http.post(
            "/api/v1/users/signup",
            json={"name": "Name 0", "email": f"{os.urandom(6).hex()}@example.org", "password": PASSWORD},
        )
        assert signed_up.status_code == 201, signed_up.text
        self._headers = {"authorization": f"Bearer {signed_up.json()['data']['token']}"}
        self.acknowledged = 0
        self.statuses: set[int] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: self.acknowledged > 3, "writing")
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            with suppress(httpx.HTTPError):
                written = self._up.http.put(
                    "/api/v1/users/profile/update", headers=self._headers, json={"name": f"Name {number}"}
                )
                self.statuses.add(written.status_code)
                if written.status_code == 200:
                    self.acknowledged = number
            self._stop.wait(0.01)

    def kept(self) -> int:
        """The number of the change that is there now."""
        profile = self._up.http.get("/api/v1/users/profile", headers=self._headers)
        assert profile.status_code == 200, profile.text
        return int(profile.json()["data"]["name"].split()[1])


@pytest.mark.parametrize("name", ["server", "server's worker", "worker", "postmaster", "backend"])
def test_a_killed_process_is_replaced_and_nothing_acknowledged_is_lost(up: Up, name: str) -> None:
    writer = Writer(up)
    with writer:
        killed = up.kill(name)
        before = writer.acknowledged
        until(lambda: writer.acknowledged > before + 3, "writing again")
        if name != "backend":
            assert up.process(name).pid != killed.pid
    assert writer.kept() >= writer.acknowledged
    assert writer.statuses <= {200, 503}
    up.await_ready()
    assert up.runs


def test_a_second_start_on_the_same_folder_is_refused(up: Up) -> None:
    said = Up(up.data, port=free_port()).refused()
    assert f"already runs on {up.data} (process {up.pid})" in said
    assert up.is_ready()


def test_other_commands_find_the_running_database(up: Up) -> None:
    migrated = command(up.data, "migrate")
    assert "There was nothing to do." in migrated.stdout
    assert "users" in command(up.data, "events", "lag").stdout
    assert command(up.data, "events", "dead", "list").returncode == 0


def test_doctor_finds_a_sound_platform(up: Up) -> None:
    examined = command(up.data, "doctor")
    assert examined.returncode == 0, examined.stdout
    assert [line.split()[0] for line in examined.stdout.splitlines()] == ["ok"] * 6


def test_it_stops_cleanly_and_starts_again(up: Up) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        processes = up.processes()
        assert up.stop(number).splitlines()[-1] == "Stopping."
        assert are_gone(processes)
        up.start().await_ready()


def test_a_killed_supervisor_leaves_no_orphan_and_the_next_start_works(up: Up) -> None:
    with Writer(up) as writer:
        up.kill("supervisor")
        up.await_ready()
        before = writer.acknowledged
        until(lambda: writer.acknowledged > before + 3, "writing again")
        for process in [psutil.Process(up.pid), *up.processes()]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        up.stop()
        up.start().await_ready()
    assert writer.kept() >= writer.acknowledged


def test_what_dies_is_started_again_where_nobody_can_hear_of_it(folder: Path) -> None:
    command = [sys.executable, "-m", "moocflix", "up"]
    port = free_port()
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(command, stdout=full, stderr=full, env=environ(folder / "data", port))
    try:

        def worker() -> list[int]:
            with suppress(psutil.Error):  # one that was killed, and not reaped yet
                children = psutil.Process(process.pid).children()
                return [child.pid for child in children if child.cmdline()[-1:] == ["work"]]
            return []

        until(worker, "started")
        (first,) = worker()
        os.kill(first, signal.SIGKILL)
        until(lambda: worker() not in ([], [first]), "started again")
    finally:
        process.terminate()
        process.wait(60)


def test_what_is_said_at_the_start_goes_before_the_environment(folder: Path) -> None:
    platform = Up(folder / "data", port=free_port(), words=["--workers", "1"], variables=FOUR_WORKERS).start()
    try:
        servers = platform.await_ready().process("server").children()
        assert len([server for server in servers if server.cmdline()[-1:] == ["serve"]]) == 1
    finally:
        platform.close()


def test_a_taken_port_is_named(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"Port {port} of 127.0.0.1 cannot be used" in Up(folder / "data", port=port).refused()


def test_a_folder_that_cannot_be_written_is_named() -> None:
    data = Path("/proc/moocflix")
    assert f"The data folder {data} cannot be written" in Up(data, port=free_port()).refused()


def test_a_setting_that_cannot_be_used_is_named(folder: Path) -> None:
    data = folder / "data"
    examined = command(data, "up", MOOCFLIX_HTTP_PORT="a lot")
    assert examined.returncode == 1
    assert "MOOCFLIX_HTTP_PORT" in examined.stderr
    examined = command(data, "doctor", MOOCFLIX_HTTP_PORT="a lot")
    assert examined.returncode == 1
    assert examined.stdout.startswith("fault settings")


def test_data_of_no_version_and_of_a_newer_one_are_refused(folder: Path) -> None:
    data = folder / "data"
    server = PostgresServer(data, options=PostgresOptions(durable=False))
    dsn = server.start().dsn("moocflix")
    try:
        assert "refuses the login" in (said := refused(data, "serve"))
        assert "`moocflix migrate` has never run there" in said
        assert command(data, "migrate").returncode == 0
        newer = "INSERT INTO users.schema_migrations VALUES ('9999_post_new.sql', 'x', '99.0.0', '99.1.0')"
        asyncio.run(_execute(dsn, newer))
        for name in ("serve", "work", "relay"):
            assert "were made by a newer MoocFlix (99.1.0" in refused(data, name, **(BROKER if name == "relay" else {}))
    finally:
        server.stop()
    assert "were made by a newer MoocFlix (99.1.0" in Up(data, port=free_port()).refused()


@pytest.mark.skipif(not ROOT, reason="a small file system can be mounted by root alone")
def test_a_full_disk_is_named(folder: Path) -> None:
    with small_disk(folder / "small", megabytes=40) as small:
        assert "is full" in Up(small / "data", port=free_port()).refused()


@pytest.mark.skipif(not ROOT, reason="a small file system can be mounted by root alone")
def test_on_a_full_disk_writes_are_refused_reads_go_on_and_nothing_is_lost(folder: Path) -> None:
    with small_disk(folder / "small", megabytes=250) as small:
        platform = Up(small / "data", port=free_port()).start().await_ready()
        try:
            studio, worker = Studio(platform), platform.process("worker").pid
            with Writer(platform) as writer:
                fill(small / "filling")
                until(lambda: 503 in writer.statuses, "refused")
                assert studio.get(f"/api/v1/courses/{studio.course_id}").status_code == 200
                assert studio.send(bytes(100_000)).status_code == 503
                (small / "filling").unlink()
                before = writer.acknowledged
                until(lambda: writer.acknowledged > before + 3, "writing again")
            assert writer.kept() >= writer.acknowledged
            assert writer.statuses <= {200, 503}
            assert studio.send(bytes(100_000)).status_code == 415
            assert platform.process("worker").pid == worker, platform.said()
        finally:
            platform.close()


@pytest.mark.skipif(not ROOT, reason="only root becomes somebody else")
def test_an_ordinary_account_runs_all_of_it(folder: Path) -> None:
    python = Path("/usr/bin/python3.11")
    if not python.exists():
        pytest.skip("no Python here that every account can run")
    shutil.chown(folder, "nobody")
    platform = Up(folder / "data", port=free_port(), python=str(python), user="nobody").start().await_ready()
    processes = platform.processes()
    assert {process.username() for process in processes} == {"nobody"}
    platform.close()
    assert are_gone(processes)


def command(data: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "moocflix", *words],
        capture_output=True,
        text=True,
        env=environ(data, free_port()) | variables,
        check=False,
    )


def refused(data: Path, name: str, **variables: str) -> str:
    """The one sentence that a command ends with."""
    ended = command(data, name, **variables)
    assert ended.returncode == 1, ended.stderr
    assert re.fullmatch(r"moocflix: .*\n", ended.stderr), ended.stderr
    return ended.stderr


@contextmanager
def small_disk(path: Path, *, megabytes: int) -> Iterator[Path]:
    path.mkdir()
    mounted = subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", path], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        path.chmod(0o755)
        yield path
    finally:
        subprocess.run(["/bin/umount", path], check=True)


def fill(path: Path) -> None:
    """Take all the space that is left."""
    with path.open("wb") as filling, suppress(OSError):
        while True:
            filling.write(bytes(1_000_000))
            filling.flush()


async def _execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
