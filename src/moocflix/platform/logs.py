"""The log: JSON lines on standard error, through structlog, written in batches; errors at once.

A line never holds a token, a password, a body, a query string or a row of the database.
"""

import atexit
import logging
import sys
import threading
import time
import traceback
from collections.abc import MutableMapping
from datetime import datetime
from typing import Any, TextIO

import asyncpg
import msgspec
import structlog

from moocflix.platform.clock import utc_now
from moocflix.platform.failures import describe
from moocflix.platform.trace import current_trace

_FLUSH_SECONDS = 0.2

_encoder = msgspec.json.Encoder(enc_hook=repr)


class BatchedLines:
    """Collects lines and writes them together."""

    def __init__(self, out: TextIO) -> None:
        """Lines go to `out`, at the latest a fifth of a second after they were logged."""
        self._out = out
        self._lines: list[str] = []
        self._writing = threading.Lock()
        self._some = threading.Event()
        self._closed = False
        self._writer = threading.Thread(target=self._write, name="log", daemon=True)
        self._writer.start()

    def add(self, line: str, *, at_once: bool) -> None:
        """Take a line."""
        self._lines.append(line)
        if at_once:
            self.flush()
        elif not self._some.is_set():
            self._some.set()

    def flush(self) -> None:
        """Write what has come together."""
        with self._writing:
            lines, self._lines = self._lines, []
            if lines:
                try:
                    self._out.write("\n".join(lines) + "\n")
                    self._out.flush()
                except (OSError, ValueError):
                    # The log's reader is gone, or the stream is closed; there is nobody left to tell.
                    return

    def close(self) -> None:
        """Write what is left and end the writer."""
        self._closed = True
        self._some.set()
        self.flush()

    def _write(self) -> None:
        while not self._closed:
            self._some.wait()
            time.sleep(_FLUSH_SECONDS)
            self._some.clear()
            self.flush()


class JsonLogger:
    """What structlog hands a finished line to: it keeps its loggers, so where to is asked at each line."""

    def info(self, line: str) -> None:
        """Log in the next batch."""
        _add(line, at_once=False)

    debug = info
    warning = info

    def error(self, line: str) -> None:
        """Log at once."""
        _add(line, at_once=True)

    critical = error
    exception = error


class RequestLine(msgspec.Struct, kw_only=True, rename="camel"):
    """One answered request; `route` is the template, so that no id or token in an address is logged."""

    time: datetime
    level: str = "info"
    event: str = "request"
    service: str
    method: str
    route: str
    status: int
    ms: float
    user: str | None
    correlation_id: str


def log_request(line: RequestLine) -> None:
    """Log an answered request, past structlog's steps: each of them would cost every request."""
    _add(_encoder.encode(line).decode(), at_once=False)


class _Process:
    """Where this process logs to, once it is configured."""

    lines: BatchedLines | None = None


_process = _Process()


def _add(line: str, *, at_once: bool) -> None:
    if _process.lines is not None:
        _process.lines.add(line, at_once=at_once)


def configure(*, level: str = "INFO", out: TextIO | None = None) -> BatchedLines:
    """Set up the log of this process; `level` is a name of the standard library's."""
    if _process.lines is not None:
        _process.lines.close()
    lines = _process.lines = BatchedLines(out or sys.stderr)
    number = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[_render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_args: JsonLogger(),
        cache_logger_on_first_use=True,
    )
    handler = _FromLibraries()
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
    atexit.register(lines.flush)
    return lines


log: Any = structlog.get_logger()
"""The log of this process."""


class _FromLibraries(logging.Handler):
    """Brings what libraries log by the standard library into the same lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record's message under its logger's name."""
        write = log.error if record.levelno >= logging.ERROR else log.warning
        write(record.getMessage(), logger=record.name, exc_info=record.exc_info or None)


def _render(_logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
    """Make the line: structlog's processors in one step, since each step costs every request."""
    line = {"time": utc_now(), "level": method, "event": event.pop("event"), **event}
    if "correlationId" not in line:
        line["correlationId"] = current_trace().correlation_id
    error = line.pop("exc_info", None)
    if error:
        line["exception"] = _traceback(error)
    return _encoder.encode(line).decode()


def _traceback(error: Any) -> str:
    if isinstance(error, tuple):
        error = error[1]
    return "".join(_told(error if isinstance(error, BaseException) else sys.exc_info()[1]))


def _told(error: BaseException | None) -> list[str]:
    """As Python tells it, what came before first; but of a database error only what may be said."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return [line for error in reversed(chain) for line in _one(error)]


def _one(error: BaseException) -> list[str]:
    within = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    unsafe = isinstance(error, asyncpg.PostgresError)
    said = [f"{describe(error)}\n"] if unsafe else traceback.format_exception_only(error)
    return [*(line for part in within for line in _told(part)), *traceback.format_tb(error.__traceback__), *said]
