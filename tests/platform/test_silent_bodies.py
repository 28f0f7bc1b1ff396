"""A body that stops coming, or comes a byte at a time, over a real socket."""

import asyncio
import json
from contextlib import suppress

import pytest

from moocflix.platform.settings import Settings
from tests.platform.served_probe import ServedProbe, serving

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def begin(
    probe: ServedProbe, path: str, *, body: bytes = b"", framing: str = "Content-Length: 100"
) -> Connection:
    """Ask, with no more of the body than this."""
    reader, writer = await asyncio.open_connection("127.0.0.1", probe.port)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {probe.sign('student')}\r\n{framing}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    return reader, writer


async def ending(connection: Connection) -> tuple[bytes, bytes]:
    """The answer's head and body, once the server has closed the connection."""
    reader, writer = connection
    try:
        async with asyncio.timeout(30):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    return head, body


@pytest.mark.parametrize("path", ["/things", "/bytes"])
@pytest.mark.parametrize("body", [b"", b'{"name":'])
async def test_who_falls_silent_is_told_and_cut_off(settings: Settings, path: str, body: bytes) -> None:
    async with serving(settings, MOOCFLIX_HTTP_BODY_SECONDS="0.3") as probe:
        head, answer = await ending(await begin(probe, path, body=body))
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"\r\nconnection: close" in head
    assert json.loads(answer)["error"] == {"errorCode": 408, "message": "The body did not come in time."}


async def test_others_are_served_while_many_are_silent(settings: Settings) -> None:
    async with serving(settings, MOOCFLIX_HTTP_BODY_SECONDS="1") as probe:
        silent = [await begin(probe, "/things") for _ in range(100)]
        other = await begin(probe, "/bytes", body=b"ab", framing="Content-Length: 2\r\nConnection: close")
        _, counted = await ending(other)
        endings = await asyncio.gather(*(ending(connection) for connection in silent))
    assert json.loads(counted)["data"] == 2
    assert all(head.startswith(b"HTTP/1.1 408 ") for head, _ in endings)


async def test_only_an_upload_may_take_long_if_it_goes_on(settings: Settings) -> None:
    async with serving(settings, MOOCFLIX_HTTP_BODY_SECONDS="3") as probe:
        framing = "Transfer-Encoding: chunked\r\nConnection: close"
        connections = [await begin(probe, path, framing=framing) for path in ("/bytes", "/things")]
        endings = asyncio.gather(*(ending(connection) for connection in connections))
        await asyncio.gather(*(send_slowly(writer, seconds=7) for _, writer in connections))
        (upload, _), (ordinary, _) = await endings
    assert upload.startswith(b"HTTP/1.1 200 ")
    assert ordinary.startswith(b"HTTP/1.1 408 ")


async def send_slowly(writer: asyncio.StreamWriter, *, seconds: int) -> None:
    with suppress(ConnectionError):
        for _ in range(seconds * 10):
            writer.write(b"1\r\n \r\n")
            await writer.drain()
            await asyncio.sleep(0.1)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
