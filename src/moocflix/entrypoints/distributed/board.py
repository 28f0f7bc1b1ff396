"""What runs where: `distributed.json` for programs, a table for people, and marks for the supervisor after this one."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from moocflix.entrypoints import environment_file
from moocflix.entrypoints.supervisor import Record
from moocflix.platform.files import write_whole
from moocflix.platform.process import ProcessMark


class Board(Record):
    """Written anew whenever a process has ended or is started, so that its pids are those of living processes."""

    def __init__(self, data: Path, *, running: Callable[[], Mapping[str, int]]) -> None:
        """`running` says the processes' ids by their names."""
        super().__init__(data / "run" / "up.json")
        self.file = data / "distributed.json"
        self.told = data / "run" / environment_file.NAME
        """The same for commands that are given by hand."""
        self.about: Mapping[str, Any] = {}
        """What stays as it is."""
        self.complete = False
        """Whether all is there that `distributed.json` tells of; before that there is none."""
        self.urls: dict[str, str] = {}
        """Where processes answer, by name."""
        self._running = running

    def write(self, marks: Sequence[ProcessMark]) -> None:
        """These run now."""
        super().write(marks)
        if self.complete:
            self.show()

    def show(self) -> None:
        """Write `distributed.json`, whole at once and for its owner's eyes: it holds passwords."""
        processes: dict[str, dict[str, Any]] = {name: {"pid": pid} for name, pid in self._running().items()}
        for name, url in self.urls.items():
            if name in processes:
                processes[name]["url"] = url
        text = json.dumps({**self.about, "processes": processes}, indent=2)
        write_whole(self.file, f"{text}\n", mode=0o600)

    def clear(self) -> None:
        """None runs any more."""
        super().clear()
        self.file.unlink(missing_ok=True)
        self.told.unlink(missing_ok=True)

    def screen(self) -> list[str]:
        """One line for each process."""
        running = self._running()
        lines = [f"{'PROCESS':<12} {'PID':>7}  WHERE"]
        return lines + [f"{name:<12} {pid:>7}  {self.urls.get(name, '')}".rstrip() for name, pid in running.items()]
