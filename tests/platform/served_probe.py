"""The probe behind the server that the platform ships with, on a real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

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
from tests.databases import in_database
from tests.faults.platform_process import free_port
from tests.platform.probe import service


@dataclass(frozen=True)
class ServedProbe:
    """Where the probe is served, and tokens for people of a role."""

    port: int
    sign: Callable[[str], str]


@asynccontextmanager
async def serving(settings: Settings, **environ: str) -> AsyncIterator[ServedProbe]:
    """The probe on a port of its own."""
    urls = in_database(DatabaseUrls.of(settings), "served_probe")
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
        await _listening(port)
        yield ServedProbe(port, sign)
    finally:
        server.stop()  # type: ignore[no-untyped-call]
        await running
        await runtime.stop()


async def _listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            with suppress(ConnectionRefusedError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)
