"""Which broker carries events, as the settings say."""

from collections.abc import Sequence
from typing import Any, assert_never

from moocflix.platform.events.broker import Broker, topics_of_group
from moocflix.platform.events.envelope import Topic
from moocflix.platform.events.settings import EventsSettings, KafkaSettings, RabbitSettings
from moocflix.platform.packages import INSTALL
from moocflix.platform.service import Service
from moocflix.platform.settings import Settings, SettingsError


def open_broker(settings: Settings) -> Broker | None:
    """The broker; None where the outboxes themselves are the log. Connects at the first need. Raises SettingsError."""
    try:
        return _open(settings)
    except ImportError as error:
        raise SettingsError(f"Setting MOOCFLIX_EVENTS_BUS needs the Python package {error.name}: {INSTALL}.") from None


def _open(settings: Settings) -> Broker | None:
    # Each adapter is imported where it is chosen: the libraries take memory that the others need not have.
    match settings.of(EventsSettings).bus:
        case "postgres":
            return None
        case "kafka":
            from moocflix.platform.events.kafka import Kafka  # noqa: PLC0415

            return Kafka(settings.of(KafkaSettings))
        case "rabbitmq":
            from moocflix.platform.events.rabbitmq import RabbitMQ  # noqa: PLC0415

            return RabbitMQ(settings.of(RabbitSettings))
        case never:
            assert_never(never)


def groups_of(services: Sequence[Service]) -> dict[str, list[Topic[Any]]]:
    """Who reacts to what: topics by group."""
    return {service.name: topics_of_group(service.reactions) for service in services if service.reactions}
