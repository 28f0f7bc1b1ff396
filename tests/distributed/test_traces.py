"""Traces, as a real receiver of OTLP over HTTP gets them: from a request to the reactions to its events."""

import gzip
import importlib
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from moocflix.platform import spans
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.settings import load
from tests.factories.platform import TestPlatform

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"  # pragma: allowlist secret - a trace id


class Receiver(ThreadingHTTPServer):
    """Keeps every span that is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Any] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def of(self, trace: str) -> list[Any]:
        """The spans of one trace."""
        return [span for span in self.spans if span.trace_id.hex() == trace]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        messages = importlib.import_module("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
        for resource in messages.ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
async def traced(
    platform: TestPlatform, urls: DatabaseUrls, data_folder: Path, receiver: Receiver
) -> AsyncIterator[TestPlatform]:
    """A platform beside the usual one that sends its traces."""
    environ = {
        "MOOCFLIX_DATA": str(data_folder), "MOOCFLIX_CONFIG": os.devnull, "MOOCFLIX_TRACES_ENDPOINT": receiver.url,
    }  # fmt: skip
    traced = TestPlatform(load(environ=environ), urls)
    await traced.start()
    yield traced
    await spans.stop()


def attributes(span: Any) -> dict[str, str]:
    return {attribute.key: attribute.value.string_value for attribute in span.attributes}


async def test_one_trace_leads_from_a_request_to_what_its_events_cause(
    traced: TestPlatform, receiver: Receiver
) -> None:
    course = await traced.course()
    student = await traced.person()
    await traced.settle()
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
    answer = await student.post(f"/api/v1/courses/{course.id}/enroll", headers=headers)
    assert answer.status_code == 201
    await traced.settle()
    await traced.stop()

    found = receiver.of(TRACE)
    (request,) = [span for span in found if span.parent_span_id.hex() == CALLER]
    assert request.name == "POST /api/v1/courses/{course_id}/enroll"
    assert attributes(request)["moocflix.service"] == "enrollments"
    below = [span for span in found if span.parent_span_id == request.span_id]
    statements = [span for span in below if attributes(span).get("db.system.name") == "postgresql"]
    reactions = [span for span in below if " reacts to Student-Enrolled" in span.name]
    assert any("INSERT INTO outbox" in attributes(span)["db.query.text"] for span in statements)
    assert {"progress reacts to Student-Enrolled", "courses reacts to Student-Enrolled"} <= {
        it.name for it in reactions
    }
    # A reaction has statements of its own below it.
    parents = {span.parent_span_id for span in found}
    assert all(span.span_id in parents for span in reactions)
    # What people type is in no span.
    assert not any(student.email in value for span in receiver.spans for value in attributes(span).values())


async def test_an_unsampled_caller_is_not_traced(traced: TestPlatform, receiver: Receiver) -> None:
    answer = await traced.http.get("/api/v1/courses", headers={"traceparent": f"00-{TRACE}-{CALLER}-00"})
    assert answer.status_code == 200
    await traced.stop()
    assert receiver.of(TRACE) == []


async def test_a_receiver_that_is_away_holds_nothing_up(
    traced: TestPlatform, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.shutdown()
    receiver.server_close()
    begun = time.monotonic()
    assert (await traced.http.get("/api/v1/courses")).status_code == 200
    assert time.monotonic() - begun < 1
    await traced.stop()
    assert time.monotonic() - begun < 8
    assert "span" in caplog.text
