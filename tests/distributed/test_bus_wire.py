"""What others find on the wire: each event under its topic's name and under its other names, as CloudEvents."""

import asyncio
import time
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import aio_pika
import httpx
import msgspec
import pytest
from confluent_kafka import Consumer

from tests.distributed.brokered import Brokered, courses
from tests.journeys.test_first_course import sign_up

NAMES = {"Course-Creation", "course_created"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"  # pragma: allowlist secret - a trace id


async def published(web: httpx.AsyncClient) -> tuple[str, str]:
    """A new course, and the correlation id of the request that made it."""
    correlation = f"wire-{uuid4()}"
    teacher = await sign_up(web, "instructor")
    headers = {**teacher, "x-correlation-id": correlation, "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    (course_id,) = await courses(web, 1, headers)
    return course_id, correlation


def check(attributes: dict[str, str], data: bytes, *, course_id: str, correlation: str) -> None:
    """Every attribute that a stranger may rely on."""
    UUID(attributes.pop("id"))
    assert datetime.fromisoformat(attributes.pop("time")).tzinfo is not None
    assert attributes.pop("traceparent").split("-")[1] == TRACE
    assert attributes == {
        "specversion": "1.0",
        "source": "/moocflix/courses",
        "type": "moocflix.course.creation.v1",
        "subject": course_id,
        "correlationid": correlation,
    }
    state = msgspec.json.decode(data)
    assert (state["courseId"], state["version"], state["title"]) == (course_id, 1, "Knots")


def consumed(servers: str, course_id: str) -> dict[str, Any]:
    """The records of this course, by topic."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": str(uuid4()), "auto.offset.reset": "earliest"})
    consumer.subscribe(sorted(NAMES))
    found: dict[str, Any] = {}
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            record = consumer.poll(1)
            if record is not None and record.error() is None and record.key() == course_id.encode():
                found[str(record.topic())] = record
            if found.keys() == NAMES:
                break
    finally:
        consumer.close()
    return found


@pytest.mark.parametrize("carrier", ["kafka"], indirect=True)
async def test_a_kafka_client_reads_cloudevents_in_binary_mode(brokered: Brokered, web: httpx.AsyncClient) -> None:
    course_id, correlation = await published(web)
    found = await asyncio.to_thread(consumed, brokered.carrier.values["kafka_servers"], course_id)
    assert found.keys() == NAMES
    records = [dict(record.headers()) for record in found.values()]
    assert records[0]["ce_id"] == records[1]["ce_id"]
    for record, headers in zip(found.values(), records, strict=True):
        assert headers.pop("content-type") == b"application/json"
        attributes = {name.removeprefix("ce_"): value.decode() for name, value in headers.items()}
        assert all(name.startswith("ce_") for name in headers)
        check(attributes, record.value(), course_id=course_id, correlation=correlation)


@pytest.mark.parametrize("carrier", ["rabbitmq"], indirect=True)
async def test_an_amqp_client_binds_a_queue_and_reads_cloudevents(brokered: Brokered, web: httpx.AsyncClient) -> None:
    found: dict[str, Any] = {}
    async with await aio_pika.connect(brokered.carrier.values["rabbitmq_url"]) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        for name in NAMES:
            await queue.bind("moocflix.events", f"{name}.*")
        course_id, correlation = await published(web)
        async with asyncio.timeout(60), queue.iterator(no_ack=True) as messages:
            async for message in messages:
                if message.headers["cloudEvents:partitionkey"] == course_id:
                    found[str(message.routing_key).rpartition(".")[0]] = message
                if found.keys() == NAMES:
                    break
    assert len({message.message_id for message in found.values()}) == 1
    for message in found.values():
        assert (message.content_type, message.correlation_id) == ("application/json", correlation)
        attributes = {name.removeprefix("cloudEvents:"): str(value) for name, value in message.headers.items()}
        assert attributes.pop("partitionkey") == course_id
        check(attributes, message.body, course_id=course_id, correlation=correlation)
