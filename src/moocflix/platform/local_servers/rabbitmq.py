"""A RabbitMQ node on this machine, out of Debian's package, with all its ports on the loopback address."""

import json
import os
import secrets
import signal
import time
from contextlib import suppress
from pathlib import Path

from moocflix.platform.local_servers.child import LocalServerError, ServerChild, free_port, listens
from moocflix.platform.process import ProcessMark

_START_SECONDS = 90
_GONE_SECONDS = 10
# The program itself: the one in sbin changes user and folders.
_PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

_CONFIGURATION = """
listeners.tcp.local = 127.0.0.1:{port}
default_user = moocflix
default_pass = {password}
loopback_users = none
log.console = true
log.console.level = warning
log.file = false
"""


class RabbitServer:
    """One node on one data folder."""

    def __init__(self, data: Path) -> None:
        """Nothing happens before `start`."""
        self._data = data.expanduser().absolute()
        self._child = ServerChild("RabbitMQ", self._data / "rabbitmq.log")
        self._numbers: dict[str, int | str] = {}

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"amqp://moocflix:{self._numbers['password']}@127.0.0.1:{self._numbers['port']}/"

    @property
    def pid(self) -> int | None:
        """The pid while it runs."""
        return self._child.pid

    def start(self) -> None:
        """Set it up and start it; returns once it answers. Raises LocalServerError."""
        if not _PROGRAM.exists():
            raise LocalServerError(
                f"RabbitMQ is not installed: there is no {_PROGRAM} (on Debian: apt-get install rabbitmq-server)."
            )
        self._data.mkdir(parents=True, exist_ok=True)
        self._number()
        self._child.start(
            [str(_PROGRAM)],
            environ=self._environment(),
            answers=lambda: listens(int(self._numbers["port"])),
            seconds=_START_SECONDS,
        )

    def stop(self) -> None:
        """End it in an orderly way, and its port mapper with it."""
        self._child.stop(30)
        self._end_mapper()

    def kill(self) -> None:
        """End it as a power cut would; returns once it is gone, which the script that started it is before it."""
        self._child.kill()
        self._end_mapper()
        deadline = time.monotonic() + _GONE_SECONDS
        while listens(int(self._numbers["port"])) and time.monotonic() < deadline:
            time.sleep(0.05)

    def _number(self) -> None:
        """Ports and password, the same after a restart."""
        kept = self._data / "node.json"
        if not kept.exists():
            numbers: dict[str, int | str] = {name: free_port() for name in ("port", "dist", "epmd")}
            numbers["password"] = secrets.token_hex(16)
            kept.touch(0o600)
            kept.write_text(json.dumps(numbers))
        self._numbers = json.loads(kept.read_text())
        (self._data / "rabbitmq.conf").write_text(_CONFIGURATION.format(**self._numbers))
        (self._data / "enabled_plugins").write_text("[].")
        (self._data / "env.conf").write_text("")

    def _environment(self) -> dict[str, str]:
        data = self._data
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(data),
            "LANG": "C.UTF-8",
            "RABBITMQ_MNESIA_BASE": str(data / "mnesia"),
            "RABBITMQ_LOG_BASE": str(data / "log"),
            "RABBITMQ_NODENAME": "moocflix@localhost",
            "RABBITMQ_CONFIG_FILE": str(data / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(data / "advanced"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(data / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(data / "env.conf"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(data / "generated"),
            "RABBITMQ_PID_FILE": str(data / "pid"),
            "RABBITMQ_DIST_PORT": str(self._numbers["dist"]),
            "ERL_EPMD_PORT": str(self._numbers["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _end_mapper(self) -> None:
        """End the port mapper that Erlang leaves behind: the one process with this node's port in its environment."""
        mark = f"ERL_EPMD_PORT={self._numbers.get('epmd')}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                name = (process / "comm").read_text().strip()
                if name == "epmd" and mark in (process / "environ").read_bytes().split(b"\0"):
                    found = ProcessMark.of(int(process.name))
                    if found is not None:
                        found.send(signal.SIGTERM)
