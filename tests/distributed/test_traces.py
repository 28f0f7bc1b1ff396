"""Traces, as a real receiver of OTLP over HTTP gets them: from a request to the reactions to its events."""

import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from moocflix.platform import spans
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.settings import load
from tests.distributed.test_neighbours import COURSE
from tests.distributed.trace_receiver import Receiver, attributes, receiving
from tests.factories.platform import TestPlatform
from tests.journeys.conftest import eventually
from tests.journeys.test_first_course import data_of, sign_up

# What one enrolment causes, from the gateway on.
WHOLE = {
    "/api/v1/courses/{course_id}/enroll", "POST /api/v1/courses/{course_id}/enroll",
    "relay sends Student-Enrolled", "progress reacts to Student-Enrolled",
}  # fmt: skip
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"  # pragma: allowlist secret - a trace id


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


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


async def test_one_trace_leads_from_the_gateway_through_every_process(
    traces: Receiver, http: httpx.AsyncClient
) -> None:
    teacher, student = await sign_up(http, "instructor"), await sign_up(http, "student")
    course = data_of(await http.post("/api/v1/courses", json=COURSE, headers=teacher))
    trace, caller = os.urandom(16).hex(), os.urandom(8).hex()
    headers = {**student, "traceparent": f"00-{trace}-{caller}-01"}
    path = f"/api/v1/courses/{course['courseId']}/enroll"
    assert (await http.post(path, headers=headers)).status_code == 201

    async def whole() -> list[Any] | None:
        found = traces.of(trace)
        names = {span.name for span in found}
        asked = ("GET courses" in names) == ("GET /internal/courses/{course_id}" in names)
        return found if asked and names >= WHOLE else None

    found = await eventually(whole)
    (gateway,) = [span for span in found if span.parent_span_id.hex() == caller]
    assert (traces.processes[gateway.span_id], gateway.name) == (
        "moocflix-gateway",
        "/api/v1/courses/{course_id}/enroll",
    )
    (request,) = [span for span in found if span.parent_span_id == gateway.span_id]
    assert traces.processes[request.span_id] == "moocflix-enrollments"
    below = [span for span in found if span.parent_span_id == request.span_id]
    assert {"relay sends Student-Enrolled", "progress reacts to Student-Enrolled"} <= {span.name for span in below}
    assert {"moocflix-relay", "moocflix"} <= {traces.processes[span.span_id] for span in below}
    # The course was not known to enrollments yet, or its copy had come: then nobody was asked.
    asked = [span for span in below if span.name == "GET courses"]
    assert all(any(other.parent_span_id == span.span_id for other in found) for span in asked)
    assert any(attributes(span).get("db.system.name") == "postgresql" for span in below)
    # Whatever the address was, no part of it that could be a token is in a span of the gateway's.
    assert not any(course["courseId"] in value for value in attributes(gateway).values())
