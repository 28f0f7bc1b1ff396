"""The log: JSON lines on standard error, through structlog, written in batches; errors at once.

A line never holds a token, a password, a body or a query string.
"""

import atexit
import logging
import sys
import threading
import traceback
from typing import Any, TextIO

import msgspec
import structlog

from moocflix.platform.clock import utc_now
from moocflix.platform.trace import current_trace

_FLUSH_SECONDS = 0.2
_FLUSH_LINES = 200

_encoder = msgspec.json.Encoder(enc_hook=repr)


class BatchedLines:
    """Collects lines and writes them together."""

    def __init__(self, out: TextIO) -> None:
        """Lines go to `out`, at the latest a fifth of a second after they were logged."""
        self._out = out
        self._lines: list[str] = []
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def add(self, line: str, *, at_once: bool) -> None:
        """Take a line."""
        with self._lock:
            self._lines.append(line)
            full = len(self._lines) >= _FLUSH_LINES
            if not (at_once or full) and self._timer is None:
                self._timer = threading.Timer(_FLUSH_SECONDS, self.flush)
                self._timer.daemon = True
                self._timer.start()
        if at_once or full:
            self.flush()

    def flush(self) -> None:
        """Write what has come together."""
        with self._lock:
            lines, self._lines = self._lines, []
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        if lines:
            try:
                self._out.write("\n".join(lines) + "\n")
                self._out.flush()
            except (OSError, ValueError):
                # The log's reader is gone, or the stream is closed; there is nobody left to tell.
                return


class JsonLogger:
    """What structlog hands a finished line to."""

    def __init__(self, lines: BatchedLines) -> None:
        """Lines go to `lines`."""
        self._lines = lines

    def info(self, line: str) -> None:
        """Log in the next batch."""
        self._lines.add(line, at_once=False)

    debug = info
    warning = info

    def error(self, line: str) -> None:
        """Log at once."""
        self._lines.add(line, at_once=True)

    critical = error
    exception = error


def configure(*, level: str = "INFO", out: TextIO | None = None) -> BatchedLines:
    """Set up the log of this process; `level` is a name of the standard library's."""
    lines = BatchedLines(out or sys.stderr)
    number = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[_render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_args: JsonLogger(lines),
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


def _render(_logger: Any, method: str, event: dict[str, Any]) -> str:
    """Make the line: structlog's processors in one step, since each step costs every request."""
    line = {"time": utc_now(), "level": method, "event": event.pop("event"), **event}
    if "correlationId" not in line:
        line["correlationId"] = current_trace().correlation_id
    error = line.pop("exc_info", None)
    if error:
        line["exception"] = _traceback(error)
    return _encoder.encode(line).decode()


def _traceback(error: Any) -> str:
    if isinstance(error, BaseException):
        return "".join(traceback.format_exception(error))
    return "".join(traceback.format_exception(*(error if isinstance(error, tuple) else sys.exc_info())))
