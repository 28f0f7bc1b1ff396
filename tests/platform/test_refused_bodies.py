"""Who is still sending when it is refused reads the answer, over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection as Connection
from http.client import HTTPResponse as Answer
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from moocflix.entrypoints.runtime import Runtime
from moocflix.platform.auth.keys import PublishedKey
from moocflix.platform.auth.tokens import AccessTokenSigner
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.ids import new_id
from moocflix.platform.migrations import migrate
from moocflix.platform.settings import Settings, load
from tests.faults.platform_process import free_port
from tests.platform.probe import service

BODY = bytes(50_000_000)
BOUND = 64 * 1_048_576
PIECE = b"100000\r\n%b\r\n" % bytes(1_048_576)


@dataclass(frozen=True)
class Probe:
    """A process that serves the probe."""

    port: int
    sign: Callable[[str], str]

    def headers(self, role: str | None) -> dict[str, str]:
        who = {} if role is None else {"authorization": f"Bearer {self.sign(role)}"}
        return {**who, "content-type": "application/json", "content-length": str(len(BODY))}


@asynccontextmanager
async def serving(settings: Settings, **environ: str) -> AsyncIterator[Probe]:
    """The probe on a port of its own."""
    urls = DatabaseUrls.of(settings).in_database("refused_bodies")
    await migrate(urls, [service])
    runtime = Runtime(load(environ={**settings._environ, **environ}), [service], urls)  # noqa: SLF001 - but for these
    await runtime.start(broadcasts=False)
    key = Ed25519PrivateKey.generate()
    public = PublishedKey.of(key.public_key())
    runtime.watch.verifier.use_keys([public])
    signer = AccessTokenSigner(public.kid, key, timedelta(minutes=15))

    def sign(role: Any) -> str:
        return signer.sign(user_id=new_id(), session_id=new_id(), role=role, generation=1, now=datetime.now(UTC))

    port = free_port()
    server = Server(
        runtime.public, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, http=HTTPModes.http1,
        websockets=False, log_enabled=False,
    )  # fmt: skip
    running = asyncio.create_task(server.serve())
    try:
        await listening(port)
        yield Probe(port, sign)
    finally:
        server.stop()  # type: ignore[no-untyped-call]
        await running
        await runtime.stop()


async def listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            with suppress(ConnectionRefusedError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)


def ask(connection: Connection, asked: str, headers: dict[str, str], *, send: bytes) -> Answer:
    """The answer to a client that sends all before it reads."""
    method, path = asked.split()
    connection.putrequest(method, path)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(send)
    answer = connection.getresponse()
    answer.read()
    return answer


async def send_on(writer: asyncio.StreamWriter) -> None:
    for _ in range(4 * BOUND // len(PIECE)):
        writer.write(PIECE)
        await writer.drain()


@pytest.mark.parametrize(
    ("asked", "role", "environ", "status"),
    [
        ("POST /things", None, {}, 401),
        ("DELETE /things", "student", {}, 403),
        ("POST /nowhere", None, {}, 404),
        ("POST /files", "student", {}, 409),  # after the first piece
        ("POST /things", "student", {}, 413),
        ("POST /things", None, {"MOOCFLIX_HTTP_API_LIMIT": "1"}, 429),
    ],
)
async def test_who_is_refused_while_sending_reads_the_answer_and_may_go_on(
    settings: Settings, asked: str, role: str | None, environ: dict[str, str], status: int
) -> None:
    async with serving(settings, **environ) as probe:
        connection = Connection("127.0.0.1", probe.port, timeout=60)
        first = await asyncio.to_thread(ask, connection, "GET /things", {}, send=b"")
        answer = await asyncio.to_thread(ask, connection, asked, probe.headers(role), send=BODY)
        again = await asyncio.to_thread(ask, connection, "GET /health/live", {}, send=b"")
        connection.close()
    assert (first.status, answer.status, again.status) == (200, status, 200)


async def test_who_asks_first_is_not_made_to_send(settings: Settings) -> None:
    async with serving(settings) as probe:
        connection = Connection("127.0.0.1", probe.port, timeout=60)
        headers = {**probe.headers(None), "expect": "100-continue"}
        answer = await asyncio.to_thread(ask, connection, "POST /things", headers, send=b"")
        connection.close()
    assert (answer.status, answer.getheader("connection")) == (401, "close")


async def test_who_never_ends_is_cut_off(settings: Settings) -> None:
    async with serving(settings) as probe:
        _, writer = await asyncio.open_connection("127.0.0.1", probe.port)
        writer.write(b"POST /things HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        with pytest.raises(ConnectionError):
            await send_on(writer)
        writer.close()
