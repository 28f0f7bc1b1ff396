"""A Kafka that wants TLS and a login: whoever has them works as anywhere, and whoever has not is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from moocflix.platform.clock import utc_now
from moocflix.platform.errors import Unavailable
from moocflix.platform.events.broker import Broker, Delivery, Parcel
from moocflix.platform.events.brokers import open_broker
from moocflix.platform.events.envelope import Message, Topic
from moocflix.platform.settings import SettingsError
from tests.distributed.kafka_login import KafkaWithLogin
from tests.platform.post_office import BookState, settings_with

Opens = Callable[..., Broker]
LOCKED = Topic("Locked", "library", BookState, key="book_id")


def opened(**values: str) -> Broker:
    broker = open_broker(settings_with(events_bus="kafka", **{f"kafka_{name}": text for name, text in values.items()}))
    assert broker is not None
    return broker


@pytest.fixture
async def connect() -> AsyncIterator[Opens]:
    """A process's connection with these settings."""
    brokers: list[Broker] = []

    def connect(**values: str) -> Broker:
        brokers.append(opened(**values))
        return brokers[-1]

    yield connect
    for broker in brokers:
        await broker.close()


def with_login(server: KafkaWithLogin) -> dict[str, str]:
    return {
        "servers": server.login_servers,
        "ca_file": str(server.ca_file),
        "user": server.user,
        "password": server.password,
    }


def by_tls(server: KafkaWithLogin) -> dict[str, str]:
    return {"servers": server.tls_servers, "ca_file": str(server.ca_file)}


async def waiting(broker: Broker, group: str, topic: Topic[BookState]) -> int:
    """How many events wait. The offsets of groups are not there yet when the server has just been made."""
    async with asyncio.timeout(40):
        while True:
            with suppress(Unavailable):
                return sum(one.messages for one in await broker.waiting(group, [topic]))
            await asyncio.sleep(0.1)


async def first(broker: Broker, group: str, topic: Topic[BookState]) -> Delivery:
    """What comes first to a new group."""
    subscription = broker.subscribe(group, [topic])
    try:
        async with asyncio.timeout(40):
            while not (came := await subscription.receive(1)):
                pass
        await subscription.done(came[0])
    finally:
        await subscription.close()
    return came[0]


@pytest.mark.parametrize("protection", [with_login, by_tls])
async def test_topics_events_groups_and_their_lag_go_that_way(
    kafka_server: KafkaWithLogin, connect: Opens, protection: Callable[[KafkaWithLogin], dict[str, str]]
) -> None:
    broker = connect(**protection(kafka_server))
    topic = Topic(f"Locked-{uuid4().hex}", "library", BookState, key="book_id")
    group = f"locked-{uuid4().hex}"
    event = Message(uuid4(), topic.name, "key", "key", "library", utc_now(), b'{"version":1}')
    await broker.prepare([topic], {group: [topic]})
    await broker.publish([Parcel(topic.name, event)])
    assert await waiting(broker, group, topic) == 1
    assert [message.id for message in (await first(broker, group, topic)).messages] == [event.id]


async def test_who_has_a_wrong_password_is_told_so(
    kafka_server: KafkaWithLogin, connect: Opens, caplog: pytest.LogCaptureFixture
) -> None:
    broker = connect(**with_login(kafka_server) | {"password": "not it"})
    with pytest.raises(Unavailable, match=r"Kafka cannot be used: .*Authentication failed: Invalid username or pass"):
        await broker.prepare([LOCKED], {})
    caplog.clear()
    subscription = broker.subscribe("locked", [LOCKED])
    with suppress(Unavailable):
        assert not await subscription.receive(3)
    await subscription.close()
    assert "Authentication failed: Invalid username or password" in caplog.text


async def test_nobody_is_given_the_password_whom_no_certificate_vouches_for(
    kafka_server: KafkaWithLogin, connect: Opens
) -> None:
    broker = connect(**with_login(kafka_server) | {"ca_file": "", "tls": "true"})
    with pytest.raises(Unavailable, match=r"Kafka cannot be used: .*certificate verify failed"):
        await broker.prepare([LOCKED], {})


def test_a_login_that_is_no_login_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="MOOCFLIX_KAFKA_USER and MOOCFLIX_KAFKA_PASSWORD"):
        opened(user="moocflix")
    with pytest.raises(SettingsError, match=r"MOOCFLIX_KAFKA_CA_FILE cannot be used: .*No such file"):
        opened(ca_file=str(tmp_path / "missing.pem"))
    (tmp_path / "empty.pem").touch()
    with pytest.raises(SettingsError, match="MOOCFLIX_KAFKA_CA_FILE cannot be used"):
        opened(ca_file=str(tmp_path / "empty.pem"))
    with pytest.raises(SettingsError, match="MOOCFLIX_KAFKA_MECHANISM"):
        opened(mechanism="GSSAPI")
