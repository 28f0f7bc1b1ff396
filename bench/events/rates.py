"""How fast the relay is, how much of its library's own speed that is, and whether the size of the outbox matters."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from time import perf_counter, process_time
from typing import Any
from uuid import uuid4

import aio_pika
from confluent_kafka import Producer

from bench.events.office import TOPIC, fill, hold, relay_of
from bench.processes import cpu_seconds
from moocflix.platform.clock import utc_now
from moocflix.platform.events.brokers import groups_of, open_broker
from moocflix.platform.events.cloudevents import attributes_of
from moocflix.platform.events.envelope import Message
from moocflix.platform.events.settings import EventsSettings, KafkaSettings, RabbitSettings
from moocflix.platform.settings import Settings
from tests.platform.post_office import PostOffice, archive

DATA = b'{"bookId":"018f1a2b-1111-7222-8333-444455556666","version":12345,"title":"' + b"x" * 320 + b'"}'


async def measure(office: PostOffice, servers: dict[str, Any], options: argparse.Namespace) -> None:
    """The library alone, the relay, the relay with aliases; then the relay with so many rows sent or waiting."""
    settings = office.settings
    bus = settings.of(EventsSettings).bus
    broker = open_broker(settings)
    assert broker is not None
    await broker.prepare([TOPIC], groups_of([archive()]))
    await broker.close()
    bare = {"kafka": bare_kafka, "rabbitmq": bare_rabbit}[bus]
    await bare(settings, options.events)
    rates: dict[str, list[float]] = {"bare": [], "relay": [], "with aliases": []}
    await hold(office, options.sent[0])
    await relay_rate(office, servers, events=options.events)
    for _ in range(options.runs):
        rates["bare"].append(await bare(settings, options.events))
        rates["relay"].append(await relay_rate(office, servers, events=options.events))
        rates["with aliases"].append(await relay_rate(office, servers, events=options.events, aliases=True))
    for name, found in rates.items():
        share = median(found) / median(rates["bare"])
        print(f"{bus}: {name} {median(found):.0f}/s ({share:.2f})  {' '.join(f'{rate:.0f}' for rate in found)}")
    for sent in options.sent:
        for waiting in options.waiting:
            await hold(office, sent)
            found = [await relay_rate(office, servers, events=options.events) for _ in range(options.runs)]
            if waiting:
                await fill(office, waiting)
                found = [await relay_rate(office, servers, events=options.events, new=0) for _ in range(options.runs)]
            print(f"{bus}: {sent} sent, {waiting} waiting: {median(found):.0f}/s", flush=True)


async def bare_kafka(settings: Settings, events: int) -> float:
    """The producer alone, with several requests under way, in batches as large as the relay's; records made first."""
    producer = Producer(
        {"bootstrap.servers": settings.of(KafkaSettings).servers, "enable.idempotence": True, "acks": "all",
         "linger.ms": 2}
    )  # fmt: skip
    records = [(str(number % 1000), _headers("ce_", number)) for number in range(events)]
    size = settings.of(EventsSettings).relay_batch * 4

    def send() -> float:
        began = perf_counter()
        for start in range(0, events, size):
            for key, headers in records[start : start + size]:
                producer.produce("Book-Update", DATA, key, headers=headers)
            producer.flush()
        return events / (perf_counter() - began)

    return await asyncio.to_thread(send)


async def bare_rabbit(settings: Settings, events: int) -> float:
    """The same with aio-pika: persistent messages, confirmed."""
    connection = await aio_pika.connect(str(settings.of(RabbitSettings).url))
    channel = await connection.channel(publisher_confirms=True)
    exchange = await channel.get_exchange("moocflix.events")
    messages = [
        aio_pika.Message(DATA, headers=_headers("cloudEvents:", number), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        for number in range(events)
    ]
    size = settings.of(EventsSettings).relay_batch * 4
    began = perf_counter()
    for start in range(0, events, size):
        await asyncio.gather(
            *(
                exchange.publish(message, f"Book-Update.{number % 4}")
                for number, message in enumerate(messages[start : start + size])
            )
        )
    seconds = perf_counter() - began
    await connection.close()
    return events / seconds


async def relay_rate(
    office: PostOffice, servers: dict[str, Any], *, events: int, new: int | None = None, aliases: bool = False
) -> float:
    """Logical events a second, until so many have been acknowledged; `new` rows are written before."""
    await fill(office, events if new is None else new)
    relay = relay_of(office, "library", aliases=aliases)
    broker: Any = relay._broker
    done, sent, rate = asyncio.Event(), 0, 0.0
    publish: Callable[[Sequence[Any]], Awaitable[None]] = broker.publish

    async def counted(parcels: Sequence[Any]) -> None:
        nonlocal sent, rate
        await publish(parcels)
        sent += sum(parcel.address == "Book-Update" for parcel in parcels)
        if sent >= events and not done.is_set():
            done.set()
            rate = sent / (perf_counter() - began)

    broker.publish = counted
    before = spent_by(servers)
    began = perf_counter()
    await relay.run(done)
    spent = {name: (seconds - before[name]) / sent * 1e6 for name, seconds in spent_by(servers).items()}
    print(f"  {rate:8.0f}/s  CPU us each:", *(f"{name} {each:.0f}" for name, each in spent.items()), flush=True)
    return rate


def spent_by(servers: dict[str, Any]) -> dict[str, float]:
    """CPU seconds of the relay, which is this process, and of the servers."""
    return {"relay": process_time(), **{name: cpu_seconds(server.pid) for name, server in servers.items()}}


def _headers(prefix: str, number: int) -> dict[str, Any]:
    message = Message(
        uuid4(), "Book-Update", str(number % 1000), "s", "library", utc_now(), DATA, correlation_id=str(uuid4())
    )
    return {prefix + name: value for name, value in attributes_of(message).items()}
