"""`serve`: HTTP only, in server processes that share a port, or in one with a second listener for internal calls.

What the server's own process does not need is not imported here: it starts sooner and stays small.
"""

import os
import signal

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes

from moocflix.platform.settings import HttpSettings, InternalSettings, Settings, SettingsError


def run(settings: Settings, names: tuple[str, ...]) -> None:
    """Serve these services until told to stop; all, where none is named. Raises SettingsError."""
    http, internal = settings.of(HttpSettings), settings.of(InternalSettings)
    if internal.port and http.workers > 1:
        raise SettingsError(
            "Settings http.workers and internal.port do not go together: where there are internal routes, one process "
            "has both ports. Start more such processes, each with ports of its own."
        )
    if names or internal.port:
        from moocflix.entrypoints.application import check, serve_both

        check(settings, names)
        if internal.port:
            serve_both(settings, names)
            return
    os.environ["MOOCFLIX_SERVES"] = ",".join(names)
    # A worker inherits the handler of the process that forks it: told to stop before it has its own, it would not hear.
    os.register_at_fork(after_in_child=_end_when_told)
    Granian(
        "moocflix.entrypoints.application:application",
        factory=True,
        address=http.host,
        port=http.port,
        interface=Interfaces.ASGI,
        workers=http.workers,
        # The others go on serving meanwhile; a single one is the supervisor's to start again.
        respawn_failed_workers=http.workers > 1,
        respawn_interval=0.1,
        runtime_mode=RuntimeModes.st,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        backlog=1024,
        log_enabled=False,
        log_access=False,
    ).serve()


def _end_when_told() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
