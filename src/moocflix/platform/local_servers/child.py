"""A server as a child of this process: it dies with us, writes a log, and its ports are free ones."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from moocflix.platform.errors import OperatorError
from moocflix.platform.process import dying_with_me

_POLL_SECONDS = 0.1


class LocalServerError(OperatorError):
    """A server that cannot be started."""


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def free_ports(count: int) -> list[int]:
    """So many different ones."""
    found: dict[int, None] = {}
    while len(found) < count:
        found[free_port()] = None
    return list(found)


def can_listen(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server of ours could take connections there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


class ServerChild:
    """One process of a server, in a process group of its own."""

    def __init__(self, name: str, log: Path) -> None:
        """`name` is for people."""
        self._name = name
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The pid while it runs."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running and self._process is not None else None

    def start(
        self,
        command: Sequence[str | Path],
        *,
        answers: Callable[[], bool],
        seconds: float,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Start it, and return once `answers` says that it does. Raises LocalServerError."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # What a server that crashes leaves behind belongs there, and in nobody's working folder.
                cwd=self._log.parent,
                env=None if environ is None else dict(environ),
                process_group=0,
                preexec_fn=dying_with_me(signal.SIGTERM),  # noqa: PLW1509 - no threads hold locks that it needs
            )
        deadline = time.monotonic() + seconds
        while not answers():
            if self.pid is None:
                raise LocalServerError(f"{self._name} has ended at once (see {self._log}).")
            if time.monotonic() > deadline:
                self.kill()
                raise LocalServerError(f"{self._name} does not answer after {seconds:.0f} s (see {self._log}).")
            time.sleep(_POLL_SECONDS)

    def stop(self, seconds: float = 20.0) -> None:
        """Ask it to end; kill it where it does not."""
        if self.pid is None or self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it, and what it started, as a power cut would."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)


def listens(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0
