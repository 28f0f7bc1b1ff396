"""How every client of ours connects to Kafka, by TLS and with a login where asked for, and why it cannot."""

import logging
import ssl
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from moocflix.platform.errors import Unavailable
from moocflix.platform.events.settings import KafkaSettings
from moocflix.platform.settings import SettingsError

lines = logging.getLogger("moocflix.kafka")
"""The library's own lines: connections that come and go, mostly. A command that keeps no log leaves them out."""
lines.addHandler(logging.NullHandler())


class KafkaClient:
    """What producer, consumers and admin are configured with, and what the library has told of the cluster."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Raises SettingsError."""
        self._told = ""
        self.config: dict[str, Any] = {
            "bootstrap.servers": settings.servers,
            "logger": lines,
            "error_cb": self._note,
            "reconnect.backoff.max.ms": 1000,
            # Over a link that was cut nothing is heard any more; the library's own minute is too long to wait for it.
            "socket.timeout.ms": 8_000,
            "socket.connection.setup.timeout.ms": 4_000,
            **_protection(settings),
        }

    def away(self, error: KafkaException, client: Any = None) -> Unavailable:
        """What `error` means to those who need Kafka; a `client` that it comes from may have more to tell."""
        if client is not None:
            client.poll(0)
        fault: KafkaError = error.args[0]
        # What a broker has answered says why; of the library's own errors, that nothing came in time.
        reason = fault.str() if fault.code() > 0 else self._told or fault.str()
        self._told = ""
        return Unavailable(f"Kafka cannot be used: {reason}.")

    def _note(self, error: KafkaError) -> None:
        """That no broker is left says less than why the last of them went."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - its name for this error
            self._told = error.str()


def _protection(settings: KafkaSettings) -> dict[str, Any]:
    tls = settings.tls or bool(settings.ca_file)
    if bool(settings.user) != bool(settings.password):
        raise SettingsError("Of MOOCFLIX_KAFKA_USER and MOOCFLIX_KAFKA_PASSWORD one is set and the other is not.")
    found = {"security.protocol": ("sasl_" if settings.user else "") + ("ssl" if tls else "plaintext")}
    if settings.ca_file:
        try:
            ssl.create_default_context(cafile=settings.ca_file)
        except OSError as error:
            raise SettingsError(f"Setting MOOCFLIX_KAFKA_CA_FILE cannot be used: {error}.") from error
        found["ssl.ca.location"] = settings.ca_file
    if settings.user:
        found |= {"sasl.mechanism": settings.mechanism, "sasl.username": settings.user}
        found["sasl.password"] = str(settings.password)
    return found
