"""Processes: dying with the parent, telling a process from a later one of its pid, and locks between processes."""

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

_LINUX = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG = 1
# Loaded here: a child between fork and exec must not load a library.
_libc = ctypes.CDLL(None) if _LINUX else None


def die_with_parent(death_signal: int = signal.SIGTERM, *, parent: int | None = None) -> None:
    """Ask the kernel for `death_signal` when the thread that started this process ends (Linux; elsewhere nothing).

    `parent` is the pid that should be the parent: if that one is gone already, the signal comes at once. The request
    survives exec, not fork: each process asks for itself.
    """
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), death_signal)


def dying_with_me(death_signal: int = signal.SIGTERM) -> Callable[[], None]:
    """A `preexec_fn` for a child that is to get `death_signal` when this thread ends."""
    parent = os.getpid()

    def ask() -> None:
        die_with_parent(death_signal, parent=parent)

    return ask


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """One process for certain: its pid and when it started, since pids come again."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The mark of a living process; None when there is none, or only a zombie."""
        started = _linux_start(pid) if _LINUX else _ps_start(pid)
        return cls(pid, started) if started else None

    @classmethod
    def read(cls, data: dict[str, Any]) -> Self:
        """Back from `asdict`."""
        return cls(int(data["pid"]), str(data["started"]))

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return ProcessMark.of(self.pid) == self

    def send(self, number: int) -> None:
        """Send a signal to this very process, if it still runs."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


def _linux_start(pid: int) -> str:
    try:
        # After the command in brackets, which may hold anything: state, …, start time as the twentieth field.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]


def _ps_start(pid: int) -> str:
    done = subprocess.run(["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()


class LockTaken(Exception):
    """Another process holds the lock; `pid` is what it wrote into the file, if anything."""

    def __init__(self, path: Path, pid: str) -> None:
        super().__init__(f"{path} is held by process {pid or 'unknown'}.")
        self.pid = pid


class FileLock:
    """An exclusive lock that ends with its process, however that ends."""

    def __init__(self, path: Path) -> None:
        """Take it at once. Raises LockTaken, or OSError when the file cannot be opened."""
        # Python's file descriptors close on exec: children do not hold the lock.
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 32, 0).decode(errors="replace").strip()
            os.close(self._file)
            raise LockTaken(path, holder) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let it go; the file stays, since removing it would let two processes lock two files of one name."""
        os.close(self._file)
