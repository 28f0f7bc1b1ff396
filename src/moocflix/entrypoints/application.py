"""What the server's processes run: the services' application, or both listeners in one process."""

import asyncio
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from moocflix.entrypoints.addresses import check_addresses
from moocflix.entrypoints.environment_file import settings_here
from moocflix.entrypoints.faults import sentence
from moocflix.entrypoints.process import run_until_told
from moocflix.entrypoints.runtime import Runtime
from moocflix.entrypoints.services import SERVICES, chosen
from moocflix.platform import logs
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.process import die_with_parent
from moocflix.platform.service import Service
from moocflix.platform.settings import HttpSettings, InternalSettings, Settings

NAMES = "MOOCFLIX_SERVES"
"""The variable by which the server tells its workers what to serve."""
BACKLOG = 1024


def check(settings: Settings, names: tuple[str, ...]) -> None:
    """Refuse names that no service has, and calls that would lead nowhere. Raises UnknownService, SettingsError."""
    here = [service.name for service in chosen(names)]
    check_addresses(settings, here=here, services=[service.name for service in SERVICES])


def serve_both(settings: Settings, names: tuple[str, ...]) -> None:
    """The public and the internal listener in one process, as each service has them where it runs alone."""
    run_until_told(partial(_serve_both, settings, chosen(names)))


def application() -> Callable[..., Awaitable[None]]:
    """The ASGI application of the server's worker."""
    # The server's worker outlives a killed parent unless it asks not to.
    die_with_parent(parent=os.getppid())
    lines = logs.configure()
    settings = settings_here(os.environ)
    names = tuple(name for name in os.environ.get(NAMES, "").split(",") if name)
    runtime = Runtime(settings, chosen(names), DatabaseUrls.of(settings), platform=SERVICES)

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(runtime, receive, send)
            lines.flush()
        else:
            await runtime.public(scope, receive, send)

    return serve


async def _lifespan(runtime: Runtime, receive: Any, send: Any) -> None:
    await receive()
    try:
        await runtime.start()
    except Exception as error:  # noqa: BLE001 - the edge of the process
        # Said here and not raised: the server would take an exception for an application without start and stop, and
        # would serve all the same.
        said = sentence(error)
        sys.stderr.write(f"moocflix: {said}\n" if said else traceback.format_exc())
        await send({"type": "lifespan.startup.failed", "message": ""})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await runtime.stop()
    await send({"type": "lifespan.shutdown.complete"})


async def _serve_both(settings: Settings, services: Sequence[Service], stop: asyncio.Event) -> None:
    """Both listeners on this process's one loop, until told to stop."""
    http, internal = settings.of(HttpSettings), settings.of(InternalSettings)
    runtime = Runtime(settings, services, DatabaseUrls.of(settings), platform=SERVICES)
    await runtime.start()
    # Internal calls first: the neighbours need them to become ready.
    servers = [
        _listener(runtime.internal, internal.host, internal.port),
        _listener(runtime.public, http.host, http.port),
    ]
    serving = [asyncio.create_task(server.serve()) for server in servers]
    stopping = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([stopping, *serving], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for server in reversed(servers):
            server.stop()  # type: ignore[no-untyped-call]
        await asyncio.gather(*serving, return_exceptions=True)
        await runtime.stop()


def _listener(app: Callable[..., Awaitable[None]], host: str, port: int) -> Server:
    return Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        log_enabled=False,
    )
