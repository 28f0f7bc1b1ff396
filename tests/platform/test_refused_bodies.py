"""Who is still sending when it is refused reads the answer, over a real socket."""

import asyncio
from http.client import HTTPConnection as Connection
from http.client import HTTPResponse as Answer

import pytest

from moocflix.platform.settings import Settings
from tests.platform.served_probe import ServedProbe, serving

BODY = bytes(50_000_000)
BOUND = 64 * 1_048_576
PIECE = b"100000\r\n%b\r\n" % bytes(1_048_576)


def headers(probe: ServedProbe, role: str | None) -> dict[str, str]:
    who = {} if role is None else {"authorization": f"Bearer {probe.sign(role)}"}
    return {**who, "content-type": "application/json", "content-length": str(len(BODY))}


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
        answer = await asyncio.to_thread(ask, connection, asked, headers(probe, role), send=BODY)
        again = await asyncio.to_thread(ask, connection, "GET /health/live", {}, send=b"")
        connection.close()
    assert (first.status, answer.status, again.status) == (200, status, 200)


async def test_who_asks_first_is_not_made_to_send(settings: Settings) -> None:
    async with serving(settings) as probe:
        connection = Connection("127.0.0.1", probe.port, timeout=60)
        asking = {**headers(probe, None), "expect": "100-continue"}
        answer = await asyncio.to_thread(ask, connection, "POST /things", asking, send=b"")
        connection.close()
    assert (answer.status, answer.getheader("connection")) == (401, "close")


async def test_who_never_ends_is_cut_off(settings: Settings) -> None:
    async with serving(settings) as probe:
        _, writer = await asyncio.open_connection("127.0.0.1", probe.port)
        writer.write(b"POST /things HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        with pytest.raises(ConnectionError):
            await send_on(writer)
        writer.close()
