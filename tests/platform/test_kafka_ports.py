"""Which ports Kafka gets, as far as it can be seen without starting it."""

import json
import socket
from pathlib import Path

import pytest

from moocflix.platform.local_servers.child import LocalServerError, free_ports
from moocflix.platform.local_servers.kafka import KafkaServer


class Unstarted(KafkaServer):
    """One that is only set up, without its programs."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        data.mkdir(exist_ok=True)
        self.file = data / "ports.json"

    def ports(self) -> dict[str, int]:
        """Those of a start."""
        properties = self._configure().read_text()
        kept: dict[str, int] = json.loads(self.file.read_text())
        assert f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{kept['controller']}" in properties
        assert kept["port"] == self.port
        return kept

    def format(self) -> None:
        """Now it has data."""
        (self._data / "log").mkdir()
        (self._data / "log" / "meta.properties").touch()


@pytest.fixture
def server(tmp_path: Path) -> Unstarted:
    server = Unstarted(tmp_path / "kafka")
    server.ports()
    server.format()
    return server


def listening(port: int) -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", port))
    taken.listen()
    return taken


def test_ports_are_kept(server: Unstarted) -> None:
    assert server.ports() == server.ports()


def test_a_port_that_is_taken_is_given_up(server: Unstarted) -> None:
    before = server.ports()
    with listening(before["port"]):
        after = server.ports()
    assert after["port"] != before["port"]
    assert after["controller"] == before["controller"]
    assert server.ports() == after


def test_the_controllers_port_is_named_where_it_is_taken(server: Unstarted) -> None:
    controller = server.ports()["controller"]
    with listening(controller), pytest.raises(LocalServerError, match=rf"Port {controller} .*{server.file}"):
        server.ports()


def test_half_a_file_stops_no_first_start(tmp_path: Path) -> None:
    server = Unstarted(tmp_path / "kafka")
    server.file.write_text("")
    assert server.ports().keys() == {"port", "controller"}


def test_a_file_that_cannot_be_read_is_named(server: Unstarted) -> None:
    server.file.write_text("")
    with pytest.raises(LocalServerError, match=f"{server.file} cannot be read"):
        server.ports()


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(50))) == 50
