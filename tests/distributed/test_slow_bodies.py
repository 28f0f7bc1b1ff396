"""A body that stops coming, or comes a byte at a time, through the gateway, which holds it until it is whole."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from moocflix.entrypoints.gateway import envoy_routes
from tests.distributed.test_gateway import services_behind, token, until_it_knows_the_key

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
BODY = 60


@pytest.fixture
async def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway that waits for a body as long as it does for a service: a second."""
    monkeypatch.setattr(envoy_routes, "_ORDINARY_SECONDS", 1)
    async with services_behind(tmp_path, body_seconds=1) as (_, client):
        await until_it_knows_the_key(client)
        yield client


@asynccontextmanager
async def asking(gateway: httpx.AsyncClient, path: str, *, body: bytes = b"") -> AsyncIterator[Connection]:
    """Ask, with no more of the body than this."""
    reader, writer = await asyncio.open_connection(gateway.base_url.host, gateway.base_url.port)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nX-Correlation-ID: mine\r\n"
        f"Authorization: Bearer {token()}\r\nContent-Length: {BODY}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer(connection: Connection) -> tuple[bytes, bytes]:
    """Head and body."""
    # Before, nothing came for five minutes.
    async with asyncio.timeout(20):
        head = await connection[0].readuntil(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: (\d+)", head)
        assert length is not None
        return head, await connection[0].readexactly(int(length[1]))


def assert_told(head: bytes, body: bytes) -> None:
    assert head.startswith(b"HTTP/1.1 408 "), head
    assert b"\r\nconnection: close" in head
    assert b"\r\nx-correlation-id: mine" in head
    assert json.loads(body)["error"] == {"errorCode": 408, "message": "The request did not come in time."}


@pytest.mark.parametrize("body", [b"", b'{"title":'])
async def test_who_falls_silent_is_told_and_cut_off(gateway: httpx.AsyncClient, body: bytes) -> None:
    async with asking(gateway, "/api/v1/courses", body=body) as connection, asyncio.timeout(20):
        assert_told(*await answer(connection))
        assert await connection[0].read() == b""


async def test_only_an_upload_may_take_long_if_it_goes_on(gateway: httpx.AsyncClient) -> None:
    async with asking(gateway, "/api/v1/courses") as ordinary, asking(gateway, "/api/v1/content/upload") as upload:
        sending = asyncio.gather(*(send_slowly(writer) for _, writer in (ordinary, upload)))
        told, (taken, _) = await asyncio.gather(answer(ordinary), answer(upload))
        cut_off, whole = await sending
    assert_told(*told)
    assert taken.startswith(b"HTTP/1.1 200 ")
    assert cut_off < whole == BODY


async def send_slowly(writer: asyncio.StreamWriter) -> int:
    """For longer than an ordinary body may take in all; how many bytes have been sent."""
    sent = 0
    with suppress(ConnectionError):
        for _ in range(BODY):
            writer.write(b" ")
            await writer.drain()
            sent += 1
            await asyncio.sleep(0.1)
    return sent


@pytest.mark.parametrize(
    ("service_seconds", "body_seconds", "answers_after", "status"), [(5, 0.1, 2, 200), (1, 20, 15, 503)]
)
async def test_a_service_has_its_own_time_whatever_a_body_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *,
    service_seconds: int, body_seconds: float, answers_after: int, status: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(envoy_routes, "_ORDINARY_SECONDS", service_seconds)
    async with services_behind(tmp_path, body_seconds=body_seconds) as (_, client):
        await until_it_knows_the_key(client)
        headers = {"authorization": f"Bearer {token()}", "x-pause": str(answers_after)}
        async with asyncio.timeout(10):
            answer = await client.post("/api/v1/courses", content=b"{}", headers=headers)
        assert answer.status_code == status
