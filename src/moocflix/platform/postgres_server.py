"""The embedded PostgreSQL: set up, started, watched and stopped as a direct child of this process.

Whether a server runs is never judged by a pid file but by connecting; PostgreSQL itself copes with a stale one. The
server dies with the thread that started it (PR_SET_PDEATHSIG, a fast shutdown), so `start` belongs on the main thread.
"""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from moocflix.platform import data_folder
from moocflix.platform.files import write_whole
from moocflix.platform.postgres_address import SUPERUSER, ServerAddress, probe, state_file, superuser_password
from moocflix.platform.postgres_options import PostgresOptions, arguments
from moocflix.platform.postgres_place import SOCKET_PORT, Place, PostgresError, find_place, run_as
from moocflix.platform.postgres_place import environment as clean_environment
from moocflix.platform.process import FileLock, LockTaken, ProcessMark, dying_with_me

_LOG_LIMIT = 10_000_000
_POLL = 0.01
# How long a server left behind may take to write everything out before it is stopped at once, and before we give up.
_ORPHAN_FAST, _ORPHAN_LIMIT = 10, 30
_FULL = ("No space left on device", "Disk quota exceeded", "Check free disk space", "could not extend file")


class PostgresServer:
    """One server on one data folder."""

    def __init__(self, data: Path, *, options: PostgresOptions | None = None) -> None:
        """Nothing happens before `start`."""
        self.data = data.expanduser().absolute()
        self.options = options or PostgresOptions()
        self.notices: tuple[str, ...] = ()
        self._place: Place | None = None
        self._lock: FileLock | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._address: ServerAddress | None = None
        self._left_behind: ProcessMark | None = None

    def start(self) -> ServerAddress:
        """Set it up if need be, start it, and return once it answers. Raises PostgresError or DataFolderError."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("start the server on the main thread: it dies with the thread that started it")
        if self._process is not None:
            # A killed server is dead only once it is reaped: until then its lock file counts.
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
        if self.pid is not None and self._address is not None:
            return self._address
        data_folder.prepare(self.data)
        self._lock = self._lock or self._take_lock()
        try:
            self._place = find_place(self.data, bin_dir=self.options.bin_dir, system_folder=self.options.system_folder)
            self.notices = self._place.notices
            self._check_data(self._place)
            if not self._place.cluster.exists():
                self._set_up(self._place)
            self._left_behind = _recorded(state_file(self.data))
            self._address = self._listen_address(self._place)
            self._launch(self._place, self._address)
        except OSError as error:
            self.stop()
            raise _explained(str(error), f"PostgreSQL cannot be started: {error}.", self.data) from error
        except BaseException:
            self.stop()
            raise
        return self._address

    @property
    def pid(self) -> int | None:
        """The postmaster's pid while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def stop(self, *, seconds: float = 30) -> None:
        """Stop it: fast (SIGINT: open transactions roll back), at once if that takes too long; let go of the folder."""
        process, address = self._process, self._address
        if process is not None:
            # Told to be fast while it recovers from a crash of one of its processes, PostgreSQL 18 never ends. At once
            # loses nothing then: the next start recovers.
            ready = address is not None and probe(address.host, address.port) == "ready"
            fast = [(signal.SIGINT, seconds)] if ready else []
            for number, patience in (*fast, (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
                if process.poll() is None:
                    process.send_signal(number)
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(patience)
            self._process = None
            state_file(self.data).unlink(missing_ok=True)
            self._leave_sockets()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _leave_sockets(self) -> None:
        """Take away the sockets' folder where it is not among our data."""
        sockets = self._place.sockets if self._place else None
        if sockets and self._place and not sockets.is_relative_to(self._place.root):
            with suppress(OSError):
                sockets.rmdir()

    def _take_lock(self) -> FileLock:
        try:
            return FileLock(self.data / "run" / "postgres.lock")
        except LockTaken as taken:
            raise PostgresError(
                f"A PostgreSQL already runs on {self.data}, started by process {taken.pid or '?'}."
            ) from None

    def _check_data(self, place: Place) -> None:
        """Refuse data that these binaries, or this person, cannot use."""
        if not place.cluster.exists():
            return
        owner = place.cluster.stat().st_uid
        if place.account is None and owner != os.geteuid():
            raise PostgresError(
                f"The database in {place.cluster} belongs to another account (uid {owner}): "
                "start as that one, or as root."
            )
        made_by = (place.cluster / "PG_VERSION").read_text().strip()
        if made_by != str(place.major):
            newer = "newer" if float(made_by) > place.major else "older"
            raise PostgresError(
                f"The database in {place.cluster} was made by PostgreSQL {made_by}, {newer} than the "
                f"{place.version} here. Start with that version's programs (MOOCFLIX_POSTGRES_BIN_DIR), "
                "or dump and restore the data."
            )

    def _set_up(self, place: Place) -> None:
        """Make the cluster under another name first: what a crash leaves half done is never taken for data."""
        draft = place.root / "data.new"
        password = place.root / "password.new"
        run_as(place.account, "/bin/rm", "-rf", draft, password)
        with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(superuser_password(self.data))
            if place.account:
                os.fchown(opened.fileno(), place.account.uid, place.account.gid)
        # Before 17 there is no builtin provider; the C library's locale of the same name sorts alike.
        provider = ["--locale-provider=builtin"] if place.major >= 17 else []  # noqa: PLR2004
        done = run_as(
            place.account, place.binaries / "initdb", "-D", draft, f"--username={SUPERUSER}", "--encoding=UTF8",
            *provider, "--locale=C.UTF-8", "--auth-local=scram-sha-256", "--auth-host=scram-sha-256",
            f"--pwfile={password}", *([] if self.options.durable else ["--no-sync"]),
        )  # fmt: skip
        password.unlink()
        if done.returncode != 0:
            run_as(place.account, "/bin/rm", "-rf", draft)
            raise _explained(f"{done.stdout}\n{done.stderr}", f"initdb failed: {done.stderr.strip()}", place.root)
        draft.rename(place.cluster)

    def _listen_address(self, place: Place) -> ServerAddress:
        password = superuser_password(self.data)
        if place.sockets is not None and not self.options.host:
            return ServerAddress(str(place.sockets), SOCKET_PORT, SUPERUSER, password)
        if self._address is not None:
            return self._address
        host = self.options.host or "127.0.0.1"
        with socket.socket() as free:
            free.bind((host, 0))
            return ServerAddress(host, free.getsockname()[1], SUPERUSER, password)

    def _launch(self, place: Place, address: ServerAddress) -> None:
        """Start the postmaster until it answers; wait for one that a dead owner left behind."""
        begun = time.monotonic()
        with self._open_log() as log:
            while True:
                end = log.seek(0, os.SEEK_END)
                self._spawn(place, address, log)
                if self._answers(address, begun + self.options.start_seconds):
                    return
                text = _since(Path(log.name), end)
                waited = time.monotonic() - begun
                if not _still_held(text) or waited > _ORPHAN_LIMIT:
                    raise _explained(text, f"PostgreSQL did not start: {_complaint(text)} (see {log.name})", place.root)
                # We hold the folder's lock: nobody uses the server that a dead owner left behind.
                if self._left_behind is not None:
                    self._left_behind.send(signal.SIGINT if waited < _ORPHAN_FAST else signal.SIGQUIT)
                time.sleep(0.1)
                for file in (place.cluster / "postmaster.pid", Path(address.host, f".s.PGSQL.{address.port}.lock")):
                    _forget_unreaped(file, place.cluster)

    def _spawn(self, place: Place, address: ServerAddress, log: BinaryIO) -> None:
        account = place.account
        self._process = subprocess.Popen(
            [
                str(place.binaries / "postgres"),
                "-D",
                str(place.cluster),
                *arguments(self.options, major=place.major, address=address),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=place.cluster,
            env=clean_environment(),
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            # A group of its own: Ctrl-C is for the supervisor, which stops PostgreSQL last.
            process_group=0,
            preexec_fn=dying_with_me(signal.SIGINT),  # noqa: PLW1509 - no threads hold locks that it needs
        )
        mark = ProcessMark.of(self._process.pid)
        state = {"host": address.host, "port": address.port, "postmaster": asdict(mark) if mark else None}
        write_whole(state_file(self.data), json.dumps(state))

    def _answers(self, address: ServerAddress, deadline: float) -> bool:
        """Wait until the server takes connections; False when its process ends first."""
        process = self._process
        while process is not None and process.poll() is None:
            if probe(address.host, address.port) == "ready":
                # Another one might answer on this socket while ours finds it taken: ours must still be there.
                return process.poll() is None
            if time.monotonic() > deadline:
                self.stop()
                raise PostgresError(
                    f"PostgreSQL did not answer within {self.options.start_seconds:.0f} s (see {self.data}/logs)."
                )
            time.sleep(_POLL)
        return False

    def _open_log(self) -> BinaryIO:
        path = self.data / "logs" / "postgres.log"
        if path.exists() and path.stat().st_size > _LOG_LIMIT:
            path.rename(path.with_suffix(".log.1"))
        return path.open("ab")


def _recorded(state: Path) -> ProcessMark | None:
    """The postmaster that the last owner of this folder started."""
    try:
        return ProcessMark.read(json.loads(state.read_text())["postmaster"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _forget_unreaped(lock: Path, cluster: Path) -> None:
    """Remove a lock file of a dead postmaster that nobody reaps, as happens where process 1 is no init.

    PostgreSQL takes the zombie for alive. Only where no process at all works in the folder any more: otherwise the file
    is what keeps a second server away from the memory of the first one's last children.
    """
    try:
        pid = int(lock.read_text().split()[0])
        unreaped = Path(f"/proc/{pid}").exists() and ProcessMark.of(pid) is None
    except (OSError, ValueError, IndexError):
        return
    if unreaped and not any(_works_in(process, cluster) for process in Path("/proc").glob("[0-9]*")):
        lock.unlink(missing_ok=True)


def _works_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").readlink() == folder
    except OSError:
        return False


def _complaint(log: str) -> str:
    """The last line of the log that says why."""
    lines = [line for line in log.splitlines() if ("FATAL" in line or "PANIC" in line) and "is starting up" not in line]
    return lines[-1].strip() if lines else log.strip()[-200:]


def _since(log: Path, begin: int) -> str:
    with log.open("rb") as opened:
        opened.seek(begin)
        return opened.read().decode(errors="replace")


def _still_held(log: str) -> bool:
    return ("lock file" in log and "already exists" in log) or "pre-existing shared memory block" in log


def _explained(log: str, otherwise: str, folder: Path) -> PostgresError:
    """The sentence for what PostgreSQL complains of."""
    if any(sign in log for sign in _FULL):
        return PostgresError(f"The disk of {folder} is full: PostgreSQL cannot start. Free some space and start again.")
    if "Permission denied" in log or "Read-only file system" in log:
        return PostgresError(f"PostgreSQL cannot write in {folder}: permission denied.")
    return PostgresError(otherwise)
