"""The processes that may be injured: those of the platform, and a second relay and a second worker of our own.

The seconds are the platform's own commands, as an operator would start them on another machine: what a process in
trouble lets go of, they take over, and it finds that out when it comes back.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.distributed.conftest import Spread

_SECONDS = {"second relay": ("relay", ["relay"]), "consumer": ("worker", ["work"])}
"""Each with the process of the platform that it is like."""


class Victims:
    """Knows every process by its name, and keeps ours running."""

    def __init__(self, spread: Spread, folder: Path) -> None:
        """Logs go to the folder."""
        self._spread = spread
        self._folder = folder
        self._ours: dict[str, subprocess.Popen[bytes]] = {}
        self._environs = {name: psutil.Process(spread.pid(like)).environ() for name, (like, _) in _SECONDS.items()}

    def pid(self, name: str) -> int | None:
        """The process's id while it runs; one of ours that has ended is started again."""
        if name in _SECONDS:
            if self._ours[name].poll() is not None:
                self._start(name)
            return self._ours[name].pid
        found: dict[str, int] = self._spread.state["processes"].get(name, {})
        return found.get("pid")

    @contextmanager
    def at_work(self) -> Iterator["Victims"]:
        """Ours run until the block ends."""
        try:
            for name in _SECONDS:
                self._start(name)
            yield self
        finally:
            for process in self._ours.values():
                process.terminate()
            for process in self._ours.values():
                process.wait(30)

    def _start(self, name: str) -> None:
        _, words = _SECONDS[name]
        with (self._folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", "moocflix", *words]
            self._ours[name] = subprocess.Popen(command, env=self._environs[name], stdout=log, stderr=log)
