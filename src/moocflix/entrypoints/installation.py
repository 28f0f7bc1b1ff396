"""One run of a whole platform on this machine: its folder, its PostgreSQL, its processes, until a signal ends it."""

import http.client
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from moocflix import __version__
from moocflix.entrypoints.supervisor import Child, Record, Signals, Stopped, Supervisor
from moocflix.platform import data_folder
from moocflix.platform.errors import OperatorError
from moocflix.platform.postgres_server import PostgresServer
from moocflix.platform.process import FileLock, LockTaken
from moocflix.platform.settings import HttpSettings, PlatformSettings, Settings

_PORT_SECONDS = 10.0
_FAILED_STARTS = 3


class CannotStart(OperatorError):
    """The platform cannot be started."""


class Installation(ABC):
    """What both kinds of platform have in common: each says what it prepares, and when it is ready."""

    distributed: ClassVar[bool]
    first: ClassVar[str]
    """The process whose log tells most, where none keeps dying."""
    ready_seconds: ClassVar[float]
    postgres_retry: ClassVar[float] = 3.0

    def __init__(self, settings: Settings, signals: Signals, *, say: Callable[[str], None]) -> None:
        """Nothing happens before `run`."""
        self._begun = time.monotonic()
        self._settings = settings
        self._signals = signals
        self._say = harmless(say)
        self._http = settings.of(HttpSettings)
        self._data = settings.of(PlatformSettings).data.expanduser().absolute()
        self._lock: FileLock | None = None
        self._postgres: PostgresServer | None = None
        self._postgres_due = 0.0
        self._children: list[Child] = []
        self._record = self._make_record()
        self._supervisor = Supervisor(self._children, record=self._record, signals=signals, say=self._say)

    @abstractmethod
    def _prepare(self) -> list[Child]:
        """Start what comes before the children, PostgreSQL first, and make those."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Whether everything answers."""

    def _make_record(self) -> Record:
        return Record(self._data / "run" / "up.json")

    def _screen(self) -> list[str]:
        """What is shown once it is ready."""
        return []

    def run_until_stopped(self) -> None:
        """Run until a signal ends it. Raises OperatorError."""
        try:
            self._run()
        except Stopped:
            self._say("Stopped.")
        finally:
            self._stop()

    def _run(self) -> None:
        """Start everything, say so, and keep it running."""
        with self._signals.interrupting():
            self._take_folder()
            self._children += self._prepare()
        self._supervisor.start()
        self._await_ready()
        while not self._signals.stops:
            self._supervisor.step(self._keep_postgres)
        self._say("Stopping.")

    def _stop(self) -> None:
        """Stop the children in order, then what they stand on, PostgreSQL last."""
        if self._lock is None:
            return
        self._supervisor.stop()
        if self._postgres is not None:
            self._postgres.stop()
        self._lock.release()

    def _take_folder(self) -> None:
        """Check what can be checked before anything is started; from here on the folder is ours alone."""
        data_folder.prepare(self._data)
        try:
            self._lock = FileLock(self._data / "run" / "up.lock")
        except LockTaken as taken:
            raise CannotStart(f"The platform already runs on {self._data} (process {taken.pid or '?'}).") from None
        left_behind = self._record.end_leftovers()
        self._claim()
        data_folder.check_space(self._data)
        self._say(f"MoocFlix {__version__}{', distributed' if self.distributed else ''}, data in {self._data}")
        self._check_port(patience=_PORT_SECONDS if left_behind else 0.0)

    def _claim(self) -> None:
        """Take the folder for this kind of platform."""
        data_folder.claim(self._data, distributed=self.distributed)

    def _check_port(self, *, patience: float = 0.0) -> None:
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

    def _keep_postgres(self) -> None:
        """Start PostgreSQL again where it has died; the others find it under the same address."""
        if self._postgres is None or self._postgres.pid is not None or time.monotonic() < self._postgres_due:
            return
        if self._postgres_due == 0.0:
            self._supervisor.note()
            self._say("PostgreSQL has ended; it is started again.")
        try:
            with self._signals.interrupting():
                self._postgres.start()
            self._postgres_due = 0.0
            self._supervisor.note()
        except (OperatorError, OSError) as fault:
            if self._postgres_due == 0.0:
                self._say(f"{fault} It is tried again every {self.postgres_retry:.0f} s.")
            self._postgres_due = time.monotonic() + self.postgres_retry
        except Stopped:
            return

    def _await_ready(self) -> None:
        """Wait until everything answers; give up where one keeps dying."""
        deadline = time.monotonic() + self.ready_seconds
        while not self._signals.stops:
            if self._is_ready():
                for line in self._screen():
                    self._say(line)
                seconds = time.monotonic() - self._begun
                self._say(f"Ready after {seconds:.1f} s: {self._address()}  (Ctrl-C stops it)")
                return
            self._supervisor.step(self._keep_postgres, longest=0.05)
            dying = next((child.name for child in self._children if child.failures >= _FAILED_STARTS), None)
            if dying or time.monotonic() > deadline:
                log = self._data / "logs" / f"{dying or self.first}.log"
                raise CannotStart(f"The {dying or 'platform'} does not start: {_last_line(log)}")

    def _address(self) -> str:
        return self._settings.of(PlatformSettings).public_url or address(self._http)


def harmless(say: Callable[[str], None]) -> Callable[[str], None]:
    """The same, for who goes on though nobody can hear it any more: the terminal is gone, or the disk is full."""

    def said(line: str) -> None:
        with suppress(OSError):
            say(line)

    return said


def address(settings: HttpSettings) -> str:
    """The public listener's, as this machine reaches it where it listens on all of them."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - nothing is bound here
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def is_ready(url: str) -> bool:
    """Whether the process that answers there says that it can serve."""
    return answer(url, "/health/ready") is not None


def answer(url: str, path: str) -> bytes | None:
    """What is answered there; None where that is not a 200."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.read() if response.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _last_line(log: Path) -> str:
    with suppress(OSError):
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        if lines:
            return f"{lines[-1][:300]} (see {log})"
    return f"see {log}"
