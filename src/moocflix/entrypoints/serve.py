"""`serve`: HTTP only, one process with one worker of the server."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes

from moocflix.entrypoints.runtime import Runtime
from moocflix.entrypoints.services import chosen
from moocflix.platform import logs
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.process import die_with_parent
from moocflix.platform.settings import HttpSettings, Settings, load

_NAMES = "MOOCFLIX_SERVES"
_BACKLOG = 1024


def run(settings: Settings, names: tuple[str, ...]) -> None:
    """Serve these services until told to stop; all, where none is named."""
    chosen(names)
    os.environ[_NAMES] = ",".join(names)
    http = settings.of(HttpSettings)
    Granian(
        "moocflix.entrypoints.serve:application",
        factory=True,
        address=http.host,
        port=http.port,
        interface=Interfaces.ASGI,
        workers=1,
        runtime_mode=RuntimeModes.st,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        log_enabled=False,
        log_access=False,
    ).serve()


def application() -> Callable[..., Awaitable[None]]:
    """The ASGI application of the server's worker."""
    # The server's worker outlives a killed parent unless it asks not to.
    die_with_parent(parent=os.getppid())
    lines = logs.configure()
    settings = load(environ=os.environ, file=None)
    names = tuple(name for name in os.environ.get(_NAMES, "").split(",") if name)
    runtime = Runtime(settings, chosen(names), DatabaseUrls.of(settings))

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(runtime, receive, send)
            lines.flush()
        else:
            await runtime.public(scope, receive, send)

    return serve


async def _lifespan(runtime: Runtime, receive: Any, send: Any) -> None:
    await receive()
    await runtime.start()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await runtime.stop()
    await send({"type": "lifespan.shutdown.complete"})
