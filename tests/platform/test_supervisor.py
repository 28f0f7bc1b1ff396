"""The supervisor goes on, whatever fails beside what it starts."""

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from moocflix.entrypoints.installation import harmless
from moocflix.entrypoints.supervisor import Child, Record, Signals, Supervisor
from moocflix.platform.process import ProcessMark

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]
FULL = OSError(errno.ENOSPC, "No space left on device")


class Written(Record):
    """A record on a disk that may be full."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.full = False
        self.marks: Sequence[ProcessMark] = ()

    def write(self, marks: Sequence[ProcessMark]) -> None:
        if self.full:
            raise FULL
        super().write(marks)
        self.marks = marks


class Run:
    """A supervisor of one child."""

    def __init__(self, folder: Path, signals: Signals) -> None:
        self.log = folder / "logs" / "child.log"
        self.child = Child("child", SLEEPS, environ=os.environ, log=self.log)
        self.record = Written(folder / "up.json")
        self.said: list[str] = []
        self.supervisor = Supervisor([self.child], record=self.record, signals=signals, say=self.said.append)

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not done():
            assert time.monotonic() < deadline, self.said
            self.supervisor.step(longest=0.05)

    def kill(self) -> None:
        mark = self.child.mark
        assert mark is not None
        os.kill(mark.pid, 9)
        self.until(lambda: self.child.mark != mark)

    def is_written(self) -> bool:
        return self.child.mark is not None and list(self.record.marks) == [self.child.mark]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Signals().caught() as signals:
        run = Run(tmp_path, signals)
        yield run
        run.supervisor.stop()


def test_what_cannot_be_started_is_tried_again(run: Run) -> None:
    run.supervisor.start()
    run.until(lambda: run.child.failures > 1)
    assert run.child.mark is None
    assert "The child cannot be started" in run.said[0]
    run.log.parent.mkdir()
    run.until(run.is_written)


def test_what_could_not_be_written_down_is_written_later_and_complained_of_once(run: Run) -> None:
    run.log.parent.mkdir()
    run.supervisor.start()
    run.record.full = True
    run.kill()
    run.until(lambda: run.child.mark is not None)
    assert not run.is_written()
    run.supervisor.note()
    run.supervisor.step(longest=0.0)
    assert [line for line in run.said if "written down" in line] == [
        "Which processes run could not be written down: No space left on device. It is tried again."
    ]
    run.record.full = False
    run.until(run.is_written)


def test_what_has_ended_is_not_written_down_while_it_waits_to_be_started_again(run: Run) -> None:
    run.log.parent.mkdir()
    run.supervisor.start()
    run.kill()
    # Gone, so that it cannot be started again, however soon that is due.
    run.log.unlink()
    run.log.parent.rmdir()
    assert run.is_written()
    mark = run.child.mark
    assert mark is not None
    os.kill(mark.pid, 9)
    run.until(lambda: run.child.mark is None)
    assert run.record.marks == []


def test_a_log_that_is_gone_stops_nothing(run: Run) -> None:
    run.log.parent.mkdir()
    run.supervisor.start()
    run.log.unlink()
    run.supervisor.step(longest=0.0)
    assert run.child.mark is not None


def test_nobody_has_to_hear_what_is_said() -> None:
    def say(line: str) -> None:
        raise BrokenPipeError(line)

    harmless(say)("The terminal is gone.")
