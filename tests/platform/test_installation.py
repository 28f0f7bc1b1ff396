"""What both kinds of platform do alike."""

import os
import signal
from pathlib import Path

import pytest

from moocflix.entrypoints.installation import Installation, address
from moocflix.entrypoints.supervisor import Child, Signals
from moocflix.platform.local_servers.child import free_port
from moocflix.platform.postgres_address import ServerAddress
from moocflix.platform.postgres_place import PostgresError
from moocflix.platform.postgres_server import PostgresServer
from moocflix.platform.settings import HttpSettings, Settings, load


class Failing(PostgresServer):
    """A server that ends, and only now and then starts again: `starts` says which of the attempts succeed."""

    def __init__(self, data: Path, starts: list[bool]) -> None:
        super().__init__(data)
        self.starts = starts
        self._runs = False

    @property
    def pid(self) -> int | None:
        runs, self._runs = self._runs, False
        return 1 if runs else None

    def start(self) -> ServerAddress:
        if not self.starts:
            os.kill(os.getpid(), signal.SIGTERM)
            return ServerAddress("", 0, "", "")
        self._runs = self.starts.pop(0)
        if not self._runs:
            raise PostgresError("There is no memory.")
        return ServerAddress("", 0, "", "")


class Bare(Installation):
    """Nothing but a database."""

    distributed = False
    first = "nothing"
    ready_seconds = 5.0
    postgres_retry = 0.01

    def _prepare(self) -> list[Child]:
        self._postgres = Failing(self._data, [False, False, True, False, True])
        return []

    def _is_ready(self) -> bool:
        return True


def settings_of(**variables: str) -> Settings:
    return load(environ={"MOOCFLIX_CONFIG": os.devnull, "MOOCFLIX_PORT": str(free_port()), **variables})


def test_a_database_that_does_not_start_again_is_spoken_of_once(tmp_path: Path) -> None:
    said: list[str] = []
    with Signals().caught() as signals:
        Bare(settings_of(MOOCFLIX_DATA=str(tmp_path)), signals, say=said.append).run_until_stopped()
    ended, fails = "PostgreSQL has ended; it is started again.", "There is no memory. It is tried again every 0 s."
    assert said[2:] == [ended, fails, ended, fails, ended, "Stopping."]


@pytest.mark.parametrize(
    ("host", "reached"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("10.0.0.1", "10.0.0.1")],  # noqa: S104
)
def test_its_address_is_one_that_can_be_reached(host: str, reached: str) -> None:
    settings = settings_of(MOOCFLIX_HTTP_HOST=host, MOOCFLIX_PORT="8123").of(HttpSettings)
    assert address(settings) == f"http://{reached}:8123"
