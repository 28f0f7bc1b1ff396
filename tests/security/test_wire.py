"""What no client library would send, on the wire of the server that the platform ships with."""

import asyncio
import re

import pytest

from tests.factories.platform import Person, TestPlatform
from tests.security.conftest import answers

LINE = re.compile(rb"HTTP/1\.1 (\d{3}) ")

REQUESTS: dict[str, bytes] = {
    "no UTF-8 in the path": b"GET /api/v1/courses/%ff%fe HTTP/1.1",
    "a NUL in the path": b"GET /api/v1/courses/%00 HTTP/1.1",
    "dots in the path": b"GET /api/v1/../../internal/users HTTP/1.1",
    "hidden dots in the path": b"GET /api/v1/%2e%2e/%2e%2e/internal/users HTTP/1.1",
    "a hidden internal path": b"GET /%69nternal/users HTTP/1.1",
    "an internal path of two slashes": b"GET //internal/users HTTP/1.1",
    "an internal path of capitals": b"GET /INTERNAL/users HTTP/1.1",
    "an internal path behind dots": b"GET /./internal/users HTTP/1.1",
    "an internal path behind a backslash": b"GET /%5cinternal%5cusers HTTP/1.1",
    "a whole address": b"GET http://evil.example/internal/users HTTP/1.1",
    "a file outside of the assets": b"GET /assets/..%2f..%2fpages.py HTTP/1.1",
    "a file of the machine": b"GET /api/v1/files/a/..%2f..%2f..%2fetc%2fpasswd HTTP/1.1",
    "a segment outside of the video": b"GET /api/v1/content/play/a/..%2f..%2fsource HTTP/1.1",
    "no percent code": b"GET /api/v1/courses/%zz?limit=%zz HTTP/1.1",
    "a star": b"OPTIONS * HTTP/1.1",
    "a path of nothing": b"GET ?a=b HTTP/1.1",
    "a tunnel": b"CONNECT internal:80 HTTP/1.1",
    "a method of its own": b"BREW /api/v1/courses HTTP/1.1",
    "an old version": b"GET /api/v1/courses HTTP/1.0",
    "a version to come": b"GET /api/v1/courses HTTP/9.9",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a very long path": b"GET /" + b"a" * 70_000 + b" HTTP/1.1",
    "a long query": b"GET /api/v1/courses?q=" + b"a" * 60_000 + b" HTTP/1.1",
}

HEADERS: dict[str, bytes] = {
    "two lengths": b"Content-Length: 2\r\nContent-Length: 3",
    "a length and pieces": b"Content-Length: 2\r\nTransfer-Encoding: chunked",
    "a negative length": b"Content-Length: -1",
    "a length with a sign": b"Content-Length: +2",
    "a superscript length": b"Content-Length: \xb2",
    "a huge length": b"Content-Length: 99999999999999999999999",
    "pieces of no kind": b"Transfer-Encoding: xchunked",
    "pieces of two kinds": b"Transfer-Encoding: chunked, identity",
    "a folded line": b"X-Correlation-ID: a\r\n b",
    "a bare carriage return": b"X-Correlation-ID: a\rb: c",
    "a NUL": b"X-Correlation-ID: a\x00b",
    "a name with a space": b"X-Correlation-ID : a",
    "no name": b": a",
    "hundreds of headers": b"\r\n".join(b"X-%d: a" % number for number in range(300)),
    "a very long header": b"X-Correlation-ID: " + b"a" * 500_000,
    "no letters of ours": b"X-Correlation-ID: \xff\xfe\r\nUser-Agent: \xff\r\nAccept: \x80",
}


async def exchange(front: str, request: bytes, *, patience: float = 3) -> bytes:
    """All that comes back for these bytes before the connection is closed, by us after so many seconds."""
    host, port = front.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**20)
    received = b""
    try:
        writer.write(request)
        async with asyncio.timeout(patience):
            while chunk := await reader.read(65_536):
                received += chunk
    except (ConnectionError, TimeoutError):
        pass
    finally:
        writer.close()
    return received


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in LINE.findall(received)]


@pytest.mark.parametrize("what", REQUESTS)
async def test_a_request_line_that_is_none_is_refused(platform: TestPlatform, front: str, what: str) -> None:
    received = await exchange(front, REQUESTS[what] + b"\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert all(status < 500 for status in statuses(received)), received
    assert b"Traceback" not in received
    assert b"root:" not in received
    if "internal" in what or "dots" in what or "address" in what:
        assert statuses(received) == [404]
    assert await answers(int(front.rpartition(":")[2]))


@pytest.mark.parametrize("what", HEADERS)
async def test_headers_that_are_none_are_refused_or_passed_over(platform: TestPlatform, front: str, what: str) -> None:
    request = b"POST /api/v1/users/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    received = await exchange(front, request + HEADERS[what] + b"\r\nConnection: close\r\n\r\n{}")
    assert all(status < 500 for status in statuses(received)), received
    assert len(statuses(received)) <= 1
    assert b"\nb: c" not in received


async def test_methods_that_somebody_makes_up_make_no_metrics(platform: TestPlatform, front: str) -> None:
    for number in range(3):
        request = f"BREW{number} /api/v1/courses HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        assert statuses(await exchange(front, request.encode())) == [405]
    metrics = (await platform.http.get("/metrics")).text
    assert "BREW" not in metrics
    assert 'method="other"' in metrics


async def test_no_request_is_smuggled_behind_another(platform: TestPlatform, front: str) -> None:
    hidden = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
    body = b"0\r\n\r\n" + hidden
    head = b"POST /api/v1/users/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    lengths = b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(body)
    received = await exchange(front, head + lengths + body, patience=1)
    assert b'"live"' not in received or 400 in statuses(received)


async def test_pieces_that_never_end_or_lie_are_refused(platform: TestPlatform, front: str) -> None:
    head = (
        b"POST /api/v1/users/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    for pieces in (
        b"ffffffffffffffff\r\n{}",
        b"-1\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}",
        b"zz\r\n",
        b"2;a=b\r\n{}\r\n0\r\n\r\n",
    ):
        received = await exchange(front, head + pieces, patience=0.3)
        assert all(status < 500 for status in statuses(received)), received


async def test_who_hangs_up_in_the_middle_leaves_nothing_behind(platform: TestPlatform, front: str) -> None:
    person: Person = await platform.person(role="instructor")
    body = b'{"title":"T","description":"D","category":"C"'
    head = (
        f"POST /api/v1/courses HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {person.token}\r\nContent-Length: 500\r\n\r\n"
    )
    for _ in range(20):
        await exchange(front, head.encode() + body, patience=0.02)
    assert (await platform.http.get("/health/ready")).json()["status"] == "ready"
    assert await platform.database("courses").reader.fetchval("SELECT count(*) FROM courses") == 0
    assert platform.database("courses").pool.waiting == 0
