"""The supervisor: starts child processes, restarts what dies, and stops them in order.

Each child has a process group of its own (Ctrl-C reaches the supervisor alone) and a parent-death signal, so that none
outlives a supervisor that is killed. What still runs when the next one starts is found by its mark and ended.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from moocflix.platform.files import write_whole
from moocflix.platform.process import ProcessMark, die_with_parent

_LONGEST_BACKOFF = 15.0
_STEADY_SECONDS = 10.0
_STOP_SECONDS = 20.0
_HURRY_SECONDS = 2.0
_TICK = 1.0
_LOG_LIMIT = 50_000_000


class Stopped(BaseException):
    """Whoever started the platform wants it to stop."""


class Signals:
    """The signals that the supervisor waits for: to stop, and that a child has ended."""

    def __init__(self) -> None:
        """Nothing is caught before `caught`."""
        self.stops = 0
        self._interrupts = False
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    @contextmanager
    def caught(self) -> Iterator["Signals"]:
        """Catch them for as long as this lasts."""
        numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
        # Under nohup a hang-up is ignored, and is to stay so.
        handled = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._stop) for number in handled}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        try:
            yield self
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._read)
            os.close(self._write)

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Have a stop raise Stopped here, where something blocks."""
        self._interrupts = True
        try:
            if self.stops:
                raise Stopped
            yield
        finally:
            self._interrupts = False

    def wait(self, seconds: float) -> None:
        """Wait for a signal, at most so long."""
        select.select([self._read], [], [], max(0.0, seconds))
        with suppress(BlockingIOError):
            os.read(self._read, 4096)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stops += 1
        if self._interrupts:
            self._interrupts = False
            raise Stopped


class Child:
    """A process that is kept running."""

    def __init__(
        self, name: str, command: Sequence[str], *, environ: Mapping[str, str], log: Path | None, nice: int = 0
    ) -> None:
        """Its output goes to `log`, or where ours goes; `nice` has it give way to the others."""
        self.name = name
        self.waits = False
        """Whether it is not to be started yet."""
        self.failures = 0
        self._command = command
        self._environ = environ
        self._log = log
        self._nice = nice
        self._parent = os.getpid()
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._due = 0.0

    @property
    def mark(self) -> ProcessMark | None:
        """Which process it is, while it runs."""
        return ProcessMark.of(self._process.pid) if self._process else None

    def start(self) -> str | None:
        """Start it; why it could not be, which counts as a failure: it is due again later."""
        try:
            self._spawn()
        except (OSError, subprocess.SubprocessError) as error:
            self._count_failure(self.failures)
            return str(error)
        return None

    def _spawn(self) -> None:
        log = self._log.open("ab") if self._log else None
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environ,
                process_group=0,
                preexec_fn=self._prepare,  # noqa: PLW1509 - the supervisor has one thread
            )
        finally:
            if log:
                log.close()
        self._started = time.monotonic()

    def _prepare(self) -> None:
        """Between fork and exec."""
        die_with_parent(signal.SIGTERM, parent=self._parent)
        os.nice(self._nice)

    def look(self) -> str | None:
        """How it ended, if it has; from then on it is due to start again, the later the more often it failed."""
        if self._process is None or self._process.poll() is None:
            return None
        code, group = self._process.returncode, self._process.pid
        self._process = None
        _end_group(group, signal.SIGTERM, _HURRY_SECONDS)
        self._count_failure(0 if time.monotonic() - self._started > _STEADY_SECONDS else self.failures)
        return f"killed by signal {-code}" if code < 0 else f"status {code}"

    def _count_failure(self, before: int) -> None:
        self.failures = before + 1
        delay = 0.0 if before == 0 else min(_LONGEST_BACKOFF, 0.5 * 2 ** (before - 1))
        self._due = time.monotonic() + delay

    def seconds_to_start(self) -> float | None:
        """When it is due, from now; None while it runs, or waits."""
        return None if self.waits or self._process is not None else max(0.0, self._due - time.monotonic())

    def trim_log(self) -> None:
        """Keep its log at a size; it is open for appending, so that it can be cut while in use."""
        with suppress(OSError):  # it may be gone: no reason to stop what writes it
            if self._log is None or self._log.stat().st_size <= _LOG_LIMIT:
                return
            with suppress(OSError):  # a full disk: cutting is what helps then
                shutil.copyfile(self._log, self._log.with_suffix(".log.1"))
            os.truncate(self._log, 0)

    def stop(self, hurry: Callable[[], bool]) -> None:
        """End it: by a request, then by force, when its time is up or `hurry` says so."""
        process = self._process
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while process.poll() is None and time.monotonic() < deadline and not hurry():
            time.sleep(0.02)
        _end_group(process.pid, signal.SIGKILL, _HURRY_SECONDS)
        process.wait()
        self._process = None


def _end_group(group: int, first: int, seconds: float) -> None:
    """End what is left of a child's process group."""
    deadline = time.monotonic() + seconds
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, first)
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.02)
        os.killpg(group, signal.SIGKILL)


class Record:
    """Which processes run, written down for the supervisor after this one."""

    def __init__(self, path: Path) -> None:
        """Written to `path`."""
        self._path = path

    def write(self, marks: Sequence[ProcessMark]) -> None:
        """These run now."""
        write_whole(self._path, json.dumps([asdict(mark) for mark in marks]))

    def clear(self) -> None:
        """None runs any more."""
        self._path.unlink(missing_ok=True)

    def end_leftovers(self) -> bool:
        """End what a killed supervisor has left, forget it, and say whether there was one."""
        left = self._path.exists()
        with suppress(OSError, ValueError, KeyError, TypeError):
            for mark in [ProcessMark.read(entry) for entry in json.loads(self._path.read_text())]:
                if mark.alive():
                    _end_group(mark.pid, signal.SIGTERM, _STOP_SECONDS)
        self.clear()
        return left


class Supervisor:
    """Keeps the children running until told to stop."""

    def __init__(
        self, children: Sequence[Child], *, record: Record, signals: Signals, say: Callable[[str], None]
    ) -> None:
        """`children` in the order of their start, which is also that of their stop."""
        self._children = children
        self._record = record
        self._signals = signals
        self._say = say
        self._written, self._complained = True, False

    def start(self) -> None:
        """Start the children, but for those that wait."""
        for child in self._children:
            if not child.waits:
                self._start(child)
        self._write()

    def step(self, keep: Callable[[], None] = lambda: None, *, longest: float = _TICK) -> None:
        """Wait a moment, or until something happens; start again what has died. `keep` does the same for others."""
        self._signals.wait(self._pause(longest))
        keep()
        for child in self._children:
            ended = child.look()
            if ended:
                # Until it is, nobody shall read of it that it runs.
                self._written = False
                self._say(f"The {child.name} has ended ({ended}); it is started again.")
            if child.seconds_to_start() == 0 and not self._signals.stops:
                self._start(child)
                self._write()
            child.trim_log()
        if not self._written:
            self._write()

    def note(self) -> None:
        """Another process than a child has ended or was started: what runs is written down anew."""
        self._written = False

    def stop(self) -> None:
        """Stop the children in order."""
        for child in self._children:
            child.stop(lambda: self._signals.stops > 1)
        with suppress(OSError):  # the marks of dead processes do no harm
            self._record.clear()

    def _start(self, child: Child) -> None:
        fault = child.start()
        if fault:
            self._say(f"The {child.name} cannot be started ({fault}); it is tried again.")

    def _pause(self, longest: float) -> float:
        due = [child.seconds_to_start() for child in self._children]
        return min([longest, *(seconds for seconds in due if seconds is not None)])

    def _write(self) -> None:
        """It only spares the next start a wait, and tells others: a full disk must not stop what runs."""
        try:
            self._record.write([mark for child in self._children if (mark := child.mark)])
            self._written, self._complained = True, False
        except OSError as error:
            if not self._complained:
                self._say(f"Which processes run could not be written down: {error.strerror}. It is tried again.")
            self._written, self._complained = False, True
