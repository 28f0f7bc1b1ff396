"""Calls between services: what is tried again, what is not, and how long anybody waits for a neighbour in trouble."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path

import httpx
import msgspec
import pytest

from moocflix.platform.auth.service_tokens import ServiceKeys, ServiceTokenSigner, ServiceTokenVerifier
from moocflix.platform.client import TIME_LIMIT, Breaker, InternalClient
from moocflix.platform.errors import Conflict, Unavailable

OK = 'HTTP/1.1 200 OK\r\ncontent-length: 28\r\n\r\n{"data": {"words": "hello"}}'
BUSY = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
TAKEN = 'HTTP/1.1 409 Conflict\r\ncontent-length: 31\r\n\r\n{"error": {"message": "Taken"}}'
HANG_UP, SILENCE = "", "silence"


class Said(msgspec.Struct):
    words: str


class Neighbour:
    """A service that answers as it is told: one answer for each request, the last one from then on."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.asked: list[str] = []
        self.url = ""
        self._server: asyncio.Server | None = None

    def will(self, *answers: str) -> None:
        self.answers, self.asked = list(answers), []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.asked.append(head)
                answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
                if answer == SILENCE:
                    await reader.read()
                if answer in {HANG_UP, SILENCE}:
                    break
                writer.write(answer.encode())
                await writer.drain()
        writer.close()


@pytest.fixture
async def neighbour() -> AsyncIterator[Neighbour]:
    neighbour = Neighbour()
    await neighbour.start()
    yield neighbour
    await neighbour.stop()


@pytest.fixture
def keys(tmp_path: Path) -> ServiceKeys:
    return ServiceKeys(tmp_path / "service-keys")


@pytest.fixture
async def client(neighbour: Neighbour, keys: ServiceKeys) -> AsyncIterator[InternalClient]:
    async with httpx.AsyncClient(base_url=neighbour.url) as http:
        yield InternalClient(http, target="users", signer=ServiceTokenSigner("courses", keys))


async def fail(client: InternalClient, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Unavailable):
            await client.post("/internal/words", reply=Said)


@pytest.mark.parametrize("first", [[HANG_UP], [BUSY], [BUSY, HANG_UP]])
async def test_a_question_is_asked_again(client: InternalClient, neighbour: Neighbour, first: Iterable[str]) -> None:
    neighbour.will(*first, OK)
    assert (await client.get("/internal/words", reply=Said)).words == "hello"


async def test_a_third_failure_is_the_last(client: InternalClient, neighbour: Neighbour) -> None:
    neighbour.will(BUSY)
    with pytest.raises(Unavailable):
        await client.get("/internal/words", reply=Said)
    assert len(neighbour.asked) == 3


@pytest.mark.parametrize("answer", [HANG_UP, BUSY])
async def test_what_may_have_been_done_is_not_done_again(
    client: InternalClient, neighbour: Neighbour, answer: str
) -> None:
    neighbour.will(answer, OK)
    with pytest.raises(Unavailable):
        await client.post("/internal/words", {"words": "hello"}, reply=Said)
    assert len(neighbour.asked) == 1


async def test_a_post_that_may_be_repeated_is(client: InternalClient, neighbour: Neighbour) -> None:
    neighbour.will(HANG_UP, OK)
    assert (await client.post("/internal/words", {}, reply=Said, idempotent=True)).words == "hello"


async def test_a_refusal_is_an_answer(client: InternalClient, neighbour: Neighbour) -> None:
    neighbour.will(TAKEN)
    for _ in range(6):
        with pytest.raises(Conflict, match="Taken"):
            await client.get("/internal/words", reply=Said)
    assert len(neighbour.asked) == 6


async def test_one_that_hangs_is_waited_for_once(client: InternalClient, neighbour: Neighbour) -> None:
    neighbour.will(SILENCE)
    begun = time.monotonic()
    with pytest.raises(Unavailable):
        await client.get("/internal/words", reply=Said)
    assert time.monotonic() - begun >= TIME_LIMIT
    assert len(neighbour.asked) == 1


async def test_one_that_keeps_failing_is_left_alone(client: InternalClient, neighbour: Neighbour) -> None:
    neighbour.will(BUSY)
    await fail(client, 5)
    neighbour.will(OK)
    with pytest.raises(Unavailable) as refused:
        await client.get("/internal/words", reply=Said)
    assert refused.value.headers()["retry-after"] == "5"
    assert neighbour.asked == []


async def test_a_call_carries_a_token_of_the_caller_for_the_callee(
    client: InternalClient, neighbour: Neighbour, keys: ServiceKeys
) -> None:
    neighbour.will(OK)
    await client.get("/internal/words", reply=Said)
    (head,) = neighbour.asked
    token = next(line for line in head.splitlines() if line.startswith("authorization: Bearer ")).split()[2]
    assert ServiceTokenVerifier(keys).verify(token, audience="users").name == "courses"


def test_a_breaker_lets_one_call_try_again() -> None:
    breaker = Breaker(open_seconds=0.0)
    for _ in range(5):
        breaker.failed()
    breaker.open_seconds = 60.0
    breaker.check("users")
    with pytest.raises(Unavailable):
        breaker.check("users")
    breaker.succeeded()
    breaker.check("users")
