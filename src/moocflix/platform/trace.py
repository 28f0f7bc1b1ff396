"""What ties together all that one request causes: its correlation id and its W3C trace context.

They go along into log lines, internal calls and events.
"""

import re
from contextvars import ContextVar

import msgspec
import uuid_utils

SANE_ID = "[A-Za-z0-9._:@/+=-]{1,128}"
"""What a caller's correlation id is taken over for, as a regular expression."""

_SANE = re.compile(SANE_ID)
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")


class Trace(msgspec.Struct, frozen=True):
    """Where a piece of work belongs; `traceparent` as in W3C Trace Context, where the caller sent one."""

    correlation_id: str
    traceparent: str | None = None


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def trace_of(correlation_id: str | None, traceparent: str | None) -> Trace:
    """The caller's ids where they are sane; a fresh correlation id where not."""
    if correlation_id is None or not _SANE.fullmatch(correlation_id):
        correlation_id = str(uuid_utils.uuid7())
    if traceparent is not None and not _TRACEPARENT.match(traceparent):
        traceparent = None
    return Trace(correlation_id, traceparent)


def current_trace() -> Trace:
    """The trace of the work in hand; a fresh one where none was set."""
    trace = _current.get()
    if trace is None:
        trace = Trace(str(uuid_utils.uuid7()))
        _current.set(trace)
    return trace


def set_trace(trace: Trace) -> None:
    """From here on this task's work belongs to `trace`."""
    _current.set(trace)
