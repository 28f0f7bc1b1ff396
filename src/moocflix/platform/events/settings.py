"""How events are kept, read and tried again."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from moocflix.platform.settings import SecretText, Section


class EventsSettings(Section, frozen=True, kw_only=True):
    """Outboxes, consumer groups, retries."""

    section: ClassVar[str] = "events"

    bus: Annotated[
        Literal["postgres", "kafka", "rabbitmq"],
        Meta(description="What carries events: the outboxes themselves, read as a log, or a broker fed by the relay."),
    ] = "postgres"
    aliases: Annotated[
        bool, Meta(description="Publish each event under the other spellings of its topic, too (brokers only).")
    ] = True
    batch: Annotated[
        int, Meta(ge=1, le=5000, description="Events that a group reads at once, where the outboxes are the log.")
    ] = 200
    poll_seconds: Annotated[
        float, Meta(gt=0, le=60, description="How often the log is looked at without having been told of news.")
    ] = 1.0
    attempts: Annotated[int, Meta(ge=1, description="How often a failing event is tried before it is parked.")] = 6
    backoff_seconds: Annotated[
        float, Meta(gt=0, description="Wait before the second try; each later wait is four times as long.")
    ] = 1.0
    backoff_limit_seconds: Annotated[float, Meta(gt=0, description="The longest wait between two tries.")] = 300.0
    lease_seconds: Annotated[
        float, Meta(ge=1, description="After how long another worker takes over the group of a silent one.")
    ] = 15.0
    outbox_days: Annotated[int, Meta(ge=1, description="How long published events are kept.")] = 30
    inbox_days: Annotated[
        int, Meta(ge=1, description="How long a group remembers what it has handled; longer than events are kept.")
    ] = 60
    relay_batch: Annotated[
        int, Meta(ge=1, le=5000, description="Events of a bucket that the relay sends before it waits for the broker.")
    ] = 500
    relay_late_seconds: Annotated[
        float, Meta(gt=0, description="After how long an event that was not sent makes its service degraded.")
    ] = 10.0


class KafkaSettings(Section, frozen=True, kw_only=True):
    """Kafka, where it is the bus."""

    section: ClassVar[str] = "kafka"

    servers: Annotated[str, Meta(description="Bootstrap servers, host:port, separated by commas.")] = "127.0.0.1:9092"
    tls: Annotated[bool, Meta(description="Connect by TLS; so it is, too, where `kafka.ca_file` is set.")] = False
    ca_file: Annotated[
        str,
        Meta(description="Certificates (PEM) of those who may vouch for the brokers; empty: whom the machine trusts."),
    ] = ""
    user: Annotated[str, Meta(description="Log in as this user (SASL); empty: no login.")] = ""
    password: Annotated[SecretText, Meta(description="The user's password.")] = SecretText("")
    mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], Meta(description="How the user logs in.")
    ] = "PLAIN"
    partitions: Annotated[
        int, Meta(ge=1, description="Partitions of topics that are made; a key stays in its partition.")
    ] = 3
    replicas: Annotated[
        int,
        Meta(
            ge=1,
            description="Replicas of topics that are made; all but one of them, and at least one, must have an event "
            "before it counts as sent (`min.insync.replicas`).",
        ),
    ] = 1
    retention_days: Annotated[int, Meta(ge=1, description="How long topics that are made keep their events.")] = 30


class RabbitSettings(Section, frozen=True, kw_only=True):
    """RabbitMQ, where it is the bus."""

    section: ClassVar[str] = "rabbitmq"

    url: Annotated[SecretText, Meta(description="An AMQP URL with user, password and virtual host.")] = SecretText(
        "amqp://guest:guest@127.0.0.1:5672/"  # pragma: allowlist secret
    )
    queues: Annotated[
        int, Meta(ge=1, le=64, description="Queues of each group; a key stays in its queue. All processes must agree.")
    ] = 4
