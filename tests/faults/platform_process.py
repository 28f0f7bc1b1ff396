"""A real platform, started as a person would: `moocflix up` on a port and a data folder of its own."""

import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

SOURCE = Path(__file__).parents[2] / "src"
PATIENCE = 60.0
PASSWORD = "correct horse battery staple"


class Up:
    """One `moocflix up`, with these `words` and `variables` too. `python` and `user` start it as somebody else."""

    def __init__(
        self,
        data: Path,
        *,
        port: int,
        python: str = sys.executable,
        user: str | None = None,
        words: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.data = data
        self.port = port
        self._python = python
        self._user = user
        self._words = words
        self._variables = variables or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as this is
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)

    def start(self) -> "Up":
        self._said.truncate(0)
        self._process = subprocess.Popen(
            [self._python, "-m", "moocflix", "up", *self._words],
            stdout=self._said,
            stderr=subprocess.STDOUT,
            env={**environ(self.data, self.port), **self._variables},
            cwd="/",
            user=self._user,
            group=pwd.getpwnam(self._user).pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
        )
        return self

    def refused(self) -> str:
        """Start it where it must not start; the sentence that it says."""
        self.start()
        assert self._process
        self._process.wait(PATIENCE)
        *_, said = self.said().splitlines()
        assert self._process.returncode == 1, said
        assert said.startswith("moocflix: "), said
        self.close()
        return said

    def said(self) -> str:
        """What it has said since its last start."""
        return os.pread(self._said.fileno(), 1_000_000, 0).decode().lstrip("\0")

    def is_ready(self) -> bool:
        try:
            return self.http.get("/health/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def await_ready(self) -> "Up":
        """Until it says so itself: what another start has left behind might still answer."""
        until(lambda: "Ready after" in self.said() or not self.runs, "ready")
        assert self.runs, self.said()
        until(self.is_ready, "ready")
        return self

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def stop(self, number: int = signal.SIGTERM) -> str:
        """End it by a signal, if it still runs; what it has said."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"it does not stop:\n{self._state()}") from None
        return self.said()

    def _state(self) -> str:
        """What runs, and what was said and logged last."""
        logs = sorted((self.data / "logs").glob("*.log"))
        last = [f"{log.name}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:]) for log in logs]
        return "\n".join([*map(str, self.processes()), self.said(), *last])

    def close(self) -> None:
        """End it for good."""
        self.stop()
        self.http.close()
        self._said.close()

    def processes(self) -> list[psutil.Process]:
        """All its processes but the supervisor."""
        return psutil.Process(self.pid).children(recursive=True)

    def process(self, name: str) -> psutil.Process:
        """One of them by what it is; waits until it is there."""
        found: list[psutil.Process] = []

        def there() -> bool:
            found[:] = [process for process in self.processes() if _is(process, name, self.pid)]
            return bool(found)

        until(there, name)
        return found[0]

    def kill(self, name: str) -> psutil.Process:
        """Kill one of them, or the supervisor, which is started again; all that was below it is gone then, too."""
        if name == "supervisor":
            killed = psutil.Process(self.pid)
            below = self.processes()
            self.stop(signal.SIGKILL)
            self.start()
        else:
            killed = self.process(name)
            below = killed.children(recursive=True)
            killed.kill()
            for process in below:
                with suppress(psutil.NoSuchProcess):
                    process.resume()  # one that is stopped would not hear of its parent's death
        until(lambda: are_gone([killed, *below]), "gone")
        return killed


def _is(process: psutil.Process, name: str, supervisor: int) -> bool:
    try:
        words, parent = process.cmdline(), process.ppid()
    except psutil.Error:
        return False
    beside = parent == supervisor
    return {
        "server": beside and words[-1:] == ["serve"],
        "server's worker": not beside and words[-1:] == ["serve"],
        "worker": beside and words[-1:] == ["work"],
        "postmaster": beside and "-D" in words,
        "backend": bool(words) and words[0].startswith("postgres: moocflix_"),
        "ffmpeg": any("index.m3u8" in word for word in words),
    }[name]


def environ(data: Path, port: int) -> dict[str, str]:
    """What a process of this platform gets of our environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MOOCFLIX_")}
    packages = [path for path in sys.path if path.endswith("site-packages")]
    return kept | {
        "PYTHONPATH": os.pathsep.join([str(SOURCE), *packages]),
        "MOOCFLIX_DATA": str(data),
        "MOOCFLIX_PORT": str(port),
        "MOOCFLIX_CONFIG": os.devnull,
        "MOOCFLIX_HTTP_API_LIMIT": "1000000",
        "MOOCFLIX_HTTP_AUTH_LIMIT": "1000000",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def open_folder() -> Path:
    """A folder that every account can reach, on a path short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="moo-"))
    folder.chmod(0o755)
    return folder


def until(done: Callable[[], Any], what: str, *, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not {what} after {seconds:.0f} s"
        time.sleep(0.05)


def are_gone(processes: list[psutil.Process]) -> bool:
    return all(_is_gone(process) for process in processes)


def _is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
