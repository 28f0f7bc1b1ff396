"""Which broker is opened, and what is said where it cannot be."""

import sys

import pytest

from moocflix.platform.events.brokers import open_broker
from moocflix.platform.settings import Settings, SettingsError


@pytest.mark.parametrize(("bus", "package"), [("kafka", "confluent_kafka"), ("rabbitmq", "aio_pika")])
def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, bus: str, package: str) -> None:
    monkeypatch.delitem(sys.modules, f"moocflix.platform.events.{bus}", raising=False)
    # As if it had not been found.
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        SettingsError, match=rf"MOOCFLIX_EVENTS_BUS needs the Python package {package}: `make packages`"
    ):
        open_broker(Settings({"MOOCFLIX_EVENTS_BUS": bus}, {}))
