"""A process of the platform: its loop, its log, how it is told to stop, and how it says that it lives."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import uvloop
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from moocflix.platform import logs
from moocflix.platform.errors import Unavailable
from moocflix.platform.metrics import Metrics
from moocflix.platform.process import die_with_parent
from moocflix.platform.settings import HealthSettings, Settings, SettingsError

_PROBE_SECONDS = 5.0
_HEAD = b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"

Shows = Callable[[str], Awaitable[Metrics | None]]
"""The numbers for who asks from this address; None for who may not."""


def run_until_told(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run it with an event that SIGTERM and SIGINT set; it ends with its parent, and its log is written to the end."""
    die_with_parent(parent=os.getppid())
    lines = logs.configure()

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await main(stop)

    try:
        uvloop.run(run())
    finally:
        lines.flush()


@asynccontextmanager
async def alive(settings: Settings, *, metrics: Shows | None = None) -> AsyncIterator[None]:
    """Say to whoever asks at `health.port` that this process lives, as long as its loop turns. Raises SettingsError.

    `metrics` is what `/metrics` shows there.
    """
    health = settings.of(HealthSettings)
    if not health.port:
        yield
        return
    try:
        server = await asyncio.start_server(partial(_say, metrics), health.host, health.port)
    except OSError as error:
        raise SettingsError(f"Port {health.port} of {health.host} (health.port) cannot be used: {error}.") from None
    async with server:
        yield


async def _say(metrics: Shows | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request, of a probe or of Prometheus: neither needs a server, or routes, for that."""
    try:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(_PROBE_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            # There is none where the connection has gone already.
            address, *_ = writer.get_extra_info("peername") or ("",)
            status, text = await _answer(head, str(address), metrics)
            writer.write(_HEAD % (status, CONTENT_TYPE_LATEST.encode(), len(text)) + text)
            async with asyncio.timeout(_PROBE_SECONDS):
                await writer.drain()
    finally:
        writer.close()


async def _answer(head: bytes, address: str, metrics: Shows | None) -> tuple[bytes, bytes]:
    if head.startswith(b"GET /health/live "):
        return b"200 OK", b""
    try:
        shown = await metrics(address) if metrics and head.startswith(b"GET /metrics ") else None
    except Unavailable:
        # What is not known is not shown, and an answer without it would look as if nothing waited.
        return b"503 Service Unavailable", b""
    return (b"404 Not Found", b"") if shown is None else (b"200 OK", shown.text()[0])
