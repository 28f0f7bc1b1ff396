"""Connections to PostgreSQL that notice when the other end is gone without a word."""

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moocflix.platform.database.connect import connect
from moocflix.platform.postgres_address import ServerAddress
from moocflix.platform.postgres_options import PostgresOptions
from moocflix.platform.postgres_server import PostgresServer


@pytest.fixture
def address() -> Iterator[ServerAddress]:
    """A server that listens by TCP, as those on other machines do."""
    with tempfile.TemporaryDirectory(prefix="moocflix-test-") as folder:
        Path(folder).chmod(0o755)
        server = PostgresServer(Path(folder) / "data", options=PostgresOptions(durable=False, host="127.0.0.1"))
        yield server.start()
        server.stop()


async def test_both_ends_watch_for_a_sign_from_the_other(address: ServerAddress) -> None:
    connection = await connect(address.dsn(), statement_timeout="7000")
    names = ("tcp_keepalives_idle", "tcp_user_timeout", "statement_timeout")
    theirs = [await connection.fetchval(f"SHOW {name}") for name in names]
    inner: Any = connection
    ours = inner._transport.get_extra_info("socket")  # noqa: SLF001 - there is no other way to it
    options = [
        ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
    ]
    await connection.close()
    assert (theirs, options) == (["3", "8000", "7s"], [1, 8000])
