"""A receiver of OTLP over HTTP that keeps what it gets."""

import gzip
import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver(ThreadingHTTPServer):
    """Keeps every span that is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Any] = []
        self.processes: dict[bytes, str] = {}
        """Who sent a span, by its id."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def of(self, trace: str) -> list[Any]:
        """The spans of one trace."""
        return [span for span in self.spans if span.trace_id.hex() == trace]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self._body()
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        messages = importlib.import_module("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
        for resource in messages.ExportTraceServiceRequest.FromString(body).resource_spans:
            name = attributes(resource.resource)["service.name"]
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
                self.server.processes |= {span.span_id: name for span in scope.spans}
        self.send_response(200)
        self.end_headers()

    def _body(self) -> bytes:
        if "content-length" in self.headers:
            return self.rfile.read(int(self.headers["content-length"]))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        """Say nothing."""


def attributes(of: Any) -> dict[str, str]:
    """The attributes that are texts, of a span or a resource."""
    return {attribute.key: attribute.value.string_value for attribute in of.attributes}


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that runs for as long as this lasts."""
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
