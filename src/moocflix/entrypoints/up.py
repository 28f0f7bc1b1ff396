"""`up`: the whole platform on this machine, from one command."""

import asyncio
import contextlib
import http.client
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from moocflix import __version__
from moocflix.entrypoints.migrate import sources
from moocflix.entrypoints.shared import CannotStart, Shared
from moocflix.entrypoints.supervisor import Child, Record, Signals, Stopped, Supervisor, harmless
from moocflix.platform import data_folder
from moocflix.platform.data_folder import DataFolderError
from moocflix.platform.database.budget import check_budget, most_connections
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.migration_files import MigrationError
from moocflix.platform.migrations import migrate
from moocflix.platform.postgres_options import PostgresOptions
from moocflix.platform.postgres_place import PostgresError
from moocflix.platform.postgres_server import PostgresServer
from moocflix.platform.process import FileLock, LockTaken
from moocflix.platform.settings import (
    DatabaseSettings,
    HttpSettings,
    PlatformSettings,
    PostgresSettings,
    Settings,
    SettingsError,
)

_READY_SECONDS = 60.0
_PORT_SECONDS = 10.0
_FAILED_STARTS = 3
_POSTGRES_RETRY = 3.0
_FAULTS = (DataFolderError, PostgresError, MigrationError, SettingsError)


def run(settings: Settings, *, logs: bool, workers: int | None = None, say: Callable[[str], None]) -> None:
    """Run the platform until a signal ends it. Raises CannotStart.

    `logs` sends the processes' output to ours; `workers` server processes share the port.
    """
    with Signals().caught() as signals:
        platform = Platform(settings, signals, logs=logs, workers=workers, say=say)
        try:
            platform.run()
        except Stopped:
            harmless(say)("Stopped.")
        except _FAULTS as fault:
            raise CannotStart(str(fault)) from fault
        finally:
            platform.stop()


class Platform:
    """One run of the platform."""

    def __init__(
        self, settings: Settings, signals: Signals, *, logs: bool, workers: int | None, say: Callable[[str], None]
    ) -> None:
        """Nothing happens before `run`."""
        self._begun = time.monotonic()
        self._settings = settings
        self._signals = signals
        self._say = harmless(say)
        self._data = settings.of(PlatformSettings).data.expanduser().absolute()
        self._http = settings.of(HttpSettings)
        self._lock: FileLock | None = None
        self._postgres: PostgresServer | None = None
        self._postgres_due = 0.0
        self._record = Record(self._data / "run" / "up.json")
        self._workers = workers or self._http.workers
        self._children: list[Child] = []
        self._supervisor: Supervisor | None = None
        self._logs = logs

    def run(self) -> None:
        """Start everything, say so, and keep it running."""
        with self._signals.interrupting():
            self._prepare()
            self._start_postgres()
            self._migrate()
        self._children = self._make_children()
        supervisor = Supervisor(self._children, record=self._record, signals=self._signals, say=self._say)
        self._supervisor = supervisor
        supervisor.start()
        self._await_ready(supervisor)
        while not self._signals.stops:
            supervisor.step(self._keep_postgres)
        self._say("Stopping.")

    def stop(self) -> None:
        """Stop what runs: server, worker, PostgreSQL."""
        if self._lock is None:
            return
        if self._supervisor is not None:
            self._supervisor.stop()
        if self._postgres is not None:
            self._postgres.stop()
        self._lock.release()

    def _prepare(self) -> None:
        """Check what can be checked before anything is started."""
        data_folder.prepare(self._data)
        try:
            self._lock = FileLock(self._data / "run" / "up.lock")
        except LockTaken as taken:
            raise CannotStart(f"The platform already runs on {self._data} (process {taken.pid or '?'}).") from None
        data_folder.claim(self._data, distributed=False)
        data_folder.check_space(self._data)
        left_behind = self._record.end_leftovers()
        self._say(f"MoocFlix {__version__}, data in {self._data}")
        self._check_port(_PORT_SECONDS if left_behind else 0)

    def _check_port(self, patience: float) -> None:
        """Refuse a port that somebody else listens on; what a killed start has left gets time to let go of it."""
        deadline = time.monotonic() + patience
        family = socket.AF_INET6 if ":" in self._http.host else socket.AF_INET
        while True:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((self._http.host, self._http.port))
                except OSError as error:
                    if time.monotonic() < deadline:
                        time.sleep(0.1)
                        continue
                    raise CannotStart(
                        f"Port {self._http.port} of {self._http.host} cannot be used: {error.strerror}. "
                        "Set another with MOOCFLIX_PORT."
                    ) from None
                return

    def _start_postgres(self) -> None:
        if self._settings.of(DatabaseSettings).url:
            return
        options = PostgresOptions.of(self._settings.of(PostgresSettings))
        most = max(options.max_connections, self._connections())
        self._postgres = PostgresServer(self._data, options=replace(options, max_connections=most))
        self._postgres.start()
        for notice in self._postgres.notices:
            self._say(notice)

    def _connections(self) -> int:
        """How many the server processes and the worker may open: each has pools of its own."""
        return most_connections(self._settings, services=len(sources()), processes=self._workers + 1)

    def _migrate(self) -> None:
        urls = DatabaseUrls.of(self._settings)
        done = asyncio.run(migrate(urls, sources()))
        asyncio.run(check_budget(urls.admin, needed=self._connections()))
        if done:
            self._say(f"{len(done)} migrations have run.")

    def _make_children(self) -> list[Child]:
        """Only now, with the folder our own: what they share is written into it."""
        # Few arenas: the processes have few threads, and each arena keeps memory that it was given once.
        environ = {"MALLOC_ARENA_MAX": "2", **os.environ}
        commands = {}
        if self._workers > 1:
            shared = Shared(self._settings, self._data, workers=self._workers)
            environ |= shared.environ
            commands = shared.commands
        ours = [sys.executable, "-m", "moocflix"]
        if self._settings.of(EventsSettings).bus != "postgres":
            commands["relay"] = [*ours, "relay"]
        return [
            Child(
                name, command, environ=environ, log=None if self._logs else self._data / "logs" / f"{name}.log",
                nice=nice,
            )
            # Who waits for an answer goes before what can wait.
            for name, command, nice in [
                ("server", [*ours, "serve"], 0),
                ("worker", [*ours, "work"], 5),
                *((name, command, 0) for name, command in commands.items()),
            ]
        ]  # fmt: skip

    def _keep_postgres(self) -> None:
        """Start PostgreSQL again where it has died; the others find it under the same address."""
        if self._postgres is None or self._postgres.pid is not None or time.monotonic() < self._postgres_due:
            return
        if self._postgres_due == 0.0:
            self._say("PostgreSQL has ended; it is started again.")
        try:
            with self._signals.interrupting():
                self._postgres.start()
            self._postgres_due = 0.0
        except (PostgresError, DataFolderError, OSError) as fault:
            if self._postgres_due == 0.0:
                self._say(f"{fault} It is tried again every {_POSTGRES_RETRY:.0f} s.")
            self._postgres_due = time.monotonic() + _POSTGRES_RETRY
        except Stopped:
            return

    def _await_ready(self, supervisor: Supervisor) -> None:
        """Wait until the server answers; give up where it keeps dying."""
        deadline = time.monotonic() + _READY_SECONDS
        while not self._signals.stops:
            if self._ready():
                seconds = time.monotonic() - self._begun
                self._say(f"Ready after {seconds:.1f} s: {self._address()}  (Ctrl-C stops it)")
                return
            supervisor.step(self._keep_postgres, longest=0.05)
            dying = next((child for child in self._children if child.failures >= _FAILED_STARTS), None)
            if dying or time.monotonic() > deadline:
                name = dying.name if dying else "server"
                raise CannotStart(f"The {name} does not start: {_last_line(self._data / 'logs' / f'{name}.log')}")

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection(_reachable(self._http.host), self._http.port, timeout=2)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _address(self) -> str:
        public = self._settings.of(PlatformSettings).public_url
        return public or f"http://{self._http.host}:{self._http.port}"


def _reachable(host: str) -> str:
    """An address of this machine for one that means all of them."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - nothing is bound here


def _last_line(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        if lines:
            return f"{lines[-1][:300]} (see {log})"
    return f"see {log}"
