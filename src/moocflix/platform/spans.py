"""Spans: what each piece of work took, sent to a tracing back end over OTLP/HTTP; nothing where none is named.

A span hangs below the one that the work's trace names as its parent, so that a request, the statements that it runs,
its internal calls and the reactions to its events make one tree: the same `traceparent` goes along everywhere.
OpenTelemetry is imported where an endpoint is set, and only there.
"""

import asyncio
import importlib
import time
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from msgspec import Meta

from moocflix import __version__
from moocflix.platform.packages import INSTALL
from moocflix.platform.settings import Section, Settings, SettingsError
from moocflix.platform.trace import Trace, current_trace

_SHARES = {"always_on": 1.0, "always_off": 0.0}
_NAME_LENGTH = 60

Kind: TypeAlias = Literal["server", "client", "producer", "consumer", "internal"]
# So long a stopping process waits for a receiver that is away.
_ANSWER_SECONDS = 3


class TracesSettings(Section, frozen=True, kw_only=True):
    """Where traces go."""

    section: ClassVar[str] = "traces"

    endpoint: Annotated[
        str,
        Meta(
            description="Address of an OTLP/HTTP receiver, `http://host:4318`; empty: that of OpenTelemetry's own "
            "variable `OTEL_EXPORTER_OTLP_ENDPOINT`; without either no traces are made."
        ),
    ] = ""


@dataclass(frozen=True, slots=True)
class _Tracing:
    api: Any
    provider: Any
    tracer: Any


_active: list[_Tracing] = []
"""One while this process makes spans."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of work that has begun; `trace` is what its own work carries on."""

    trace: Trace
    _span: Any

    def end(self, *, name: str | None = None, failed: bool = False, **attributes: str | int) -> None:
        """It is done; what is known of it now is added."""
        if name is not None:
            self._span.update_name(name)
        for key, value in attributes.items():
            self._span.set_attribute(key.replace("_", "."), value)
        if failed:
            self._span.set_status(_active[0].api.StatusCode.ERROR if _active else None)
        self._span.end()


def is_on() -> bool:
    """Whether this process makes spans."""
    return bool(_active)


def begin(name: str, trace: Trace, *, kind: Kind) -> Span | None:
    """A span below the trace's, else the first of one; None where no spans are made."""
    if not _active:
        return None
    tracing = _active[0]
    span = tracing.tracer.start_span(name, context=_context(trace), kind=tracing.api.SpanKind[kind.upper()])
    span.set_attribute("moocflix.correlation_id", trace.correlation_id)
    context = span.get_span_context()
    flags = int(context.trace_flags)
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"
    return Span(Trace(trace.correlation_id, parent), span)


def below(name: str, trace: Trace, *, kind: Kind) -> Span | None:
    """As `begin`, for work that is worth a span only as a part of something: nothing where the trace has no span."""
    return None if trace.traceparent is None else begin(name, trace, kind=kind)


def statement(query: Any) -> None:
    """A span for a statement that asyncpg has just run: its text, never its arguments."""
    trace = current_trace()
    if not _active or trace.traceparent is None:
        return
    tracing, now = _active[0], time.time_ns()
    text = " ".join(query.query.split())
    span = tracing.tracer.start_span(
        text[:_NAME_LENGTH],
        context=_context(trace),
        kind=tracing.api.SpanKind.CLIENT,
        attributes={"db.system.name": "postgresql", "db.query.text": text},
        start_time=now - int(query.elapsed * 1e9),
    )
    if query.exception is not None:
        span.set_status(tracing.api.StatusCode.ERROR)
    span.end(end_time=now)


def traces_url(settings: Settings) -> str | None:
    """Where spans are to be sent; None where no endpoint is set."""
    whole = settings.value("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    endpoint = settings.of(TracesSettings).endpoint
    if whole and not endpoint:
        return whole
    endpoint = endpoint or settings.value("OTEL_EXPORTER_OTLP_ENDPOINT") or ""
    return f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None


def sampled_share(settings: Settings) -> float:
    """The share of new traces that is kept, by OpenTelemetry's own variables. Raises SettingsError."""
    sampler = (settings.value("OTEL_TRACES_SAMPLER") or "always_on").removeprefix("parentbased_")
    if sampler in _SHARES:
        return _SHARES[sampler]
    try:
        return min(1.0, max(0.0, float(settings.value("OTEL_TRACES_SAMPLER_ARG") or 1)))
    except ValueError:
        raise SettingsError("OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1.") from None


def start(settings: Settings, *, name: str) -> None:
    """Make spans from now on, where an endpoint is set. `name` is the process's. Raises SettingsError."""
    endpoint = traces_url(settings)
    if _active or endpoint is None:
        return
    try:
        api = importlib.import_module("opentelemetry.trace")
        sdk = importlib.import_module("opentelemetry.sdk.trace")
        export = importlib.import_module("opentelemetry.sdk.trace.export")
        otlp = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        resources = importlib.import_module("opentelemetry.sdk.resources")
    except ImportError as error:
        raise SettingsError(
            f"Setting MOOCFLIX_TRACES_ENDPOINT needs the Python package {error.name}: {INSTALL}."
        ) from None
    about = {"service.name": settings.value("OTEL_SERVICE_NAME") or name, "service.version": __version__}
    provider = sdk.TracerProvider(resource=resources.Resource.create(about), shutdown_on_exit=False)
    exporter = otlp.OTLPSpanExporter(
        endpoint=endpoint,
        timeout=None if settings.value("OTEL_EXPORTER_OTLP_TIMEOUT") else _ANSWER_SECONDS,
    )
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    _active.append(_Tracing(api, provider, provider.get_tracer("moocflix", __version__)))


async def stop() -> None:
    """Send what is left, and make no more."""
    while _active:
        await asyncio.to_thread(_active.pop().provider.shutdown)


def _context(trace: Trace) -> Any:
    """The parent, as OpenTelemetry wants it; a root where the trace names none."""
    api = _active[0].api
    root = importlib.import_module("opentelemetry.context").Context()
    if trace.traceparent is None:
        return root
    _, trace_id, span_id, flags = trace.traceparent.split("-")
    parent = api.SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=api.TraceFlags(int(flags, 16))
    )
    return api.set_span_in_context(api.NonRecordingSpan(parent), root)
