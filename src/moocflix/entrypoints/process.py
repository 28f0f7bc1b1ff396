"""A process of the platform: its loop, its log, how it is told to stop, and how it says that it lives."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvloop

from moocflix.platform import logs
from moocflix.platform.process import die_with_parent
from moocflix.platform.settings import HealthSettings, Settings, SettingsError

_PROBE_SECONDS = 5.0
_ALIVE = b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


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
async def alive(settings: Settings) -> AsyncIterator[None]:
    """Say to whoever asks at `health.port` that this process lives, as long as its loop turns. Raises SettingsError."""
    health = settings.of(HealthSettings)
    if not health.port:
        yield
        return
    try:
        server = await asyncio.start_server(_say, health.host, health.port)
    except OSError as error:
        raise SettingsError(f"Port {health.port} of {health.host} (health.port) cannot be used: {error}.") from None
    async with server:
        yield


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request: all that a probe looks at is the status, so that no server and no routes are needed."""
    with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
        async with asyncio.timeout(_PROBE_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
            found = head.startswith(b"GET /health/live ")
            writer.write(_ALIVE % (b"200 OK" if found else b"404 Not Found"))
            await writer.drain()
    writer.close()
