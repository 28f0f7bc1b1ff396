"""What the tests of security share: a stage with people and things, made once for each file."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from moocflix.entrypoints.services import SERVICES
from moocflix.platform.auth.service_tokens import ServiceKeys, ServiceTokenSigner
from moocflix.platform.http import system
from moocflix.platform.secrets import Secrets
from tests.factories.platform import TestPlatform
from tests.factories.videos import VideoShelf
from tests.security.ledger import Ledger
from tests.security.stage import Stage, set_up


@pytest.fixture(scope="module")
async def stage(running_platform: TestPlatform, videos: VideoShelf) -> Stage:
    """People and things; the tests of a file have them in common and bring back what they change."""
    await running_platform.empty()
    await running_platform.context("content").storage.delete_prefix("videos/")
    return await set_up(running_platform, videos)


@pytest.fixture(scope="module")
async def ledger(stage: Stage) -> AsyncIterator[Ledger]:
    """What all services have stored; whatever a test changes is undone."""
    ledger = await Ledger.open(stage.platform)
    yield ledger
    await ledger.close()


@pytest.fixture(scope="module")
async def internal(running_platform: TestPlatform) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the listener that serves other services."""
    transport = httpx.ASGITransport(running_platform.runtime.internal)
    async with httpx.AsyncClient(transport=transport, base_url="http://internal") as client:
        yield client


KIND = re.compile(r":\w+}")
"""What a path says of a parameter's type."""


def serving(path: str) -> str:
    """The service that a path belongs to."""
    return next(
        service.name
        for service in (*SERVICES, system.service)
        for handler in service.routes
        if path.partition("?")[0] in {KIND.sub("}", one) for one in handler.paths}
    )


def service_headers(platform: TestPlatform, *, audience: str, caller: str = "progress") -> dict[str, str]:
    """What this service sends to a service that it calls."""
    keys = ServiceKeys.of(Secrets.of(platform.settings))
    return {"authorization": f"Bearer {ServiceTokenSigner(caller, keys).token(audience=audience)}"}


@pytest.fixture(scope="module")
async def front(running_platform: TestPlatform) -> AsyncIterator[str]:
    """The address of the platform behind the server that it ships with, on a real port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        await running_platform.runtime.public(scope, receive, send)

    options: dict[str, Any] = {"interface": Interfaces.ASGINL, "http": HTTPModes.http1, "websockets": False}
    server = Server(serve, address="127.0.0.1", port=port, log_enabled=False, **options)
    serving = asyncio.create_task(server.serve())
    while not await answers(port):
        await asyncio.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.stop()  # type: ignore[no-untyped-call]
    await asyncio.wait_for(serving, 10)


async def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
