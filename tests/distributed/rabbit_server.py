"""A RabbitMQ node on this machine, out of Debian's package, with all its ports on the loopback address."""

import json
import os
import secrets
import shutil
from pathlib import Path

from moocflix.platform.local_servers.child import LocalServerError, ServerChild, free_port, listens

_START_SECONDS = 90
_MAPPER_SECONDS = 10
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
        # Erlang's port mapper. Where there is none the node starts one, which would outlive it.
        self._mapper = ServerChild("epmd", self._data / "epmd.log")
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
        mapper = shutil.which("epmd")
        if not _PROGRAM.exists() or mapper is None:
            raise LocalServerError(
                f"RabbitMQ is not installed: there is no {_PROGRAM} (on Debian: apt-get install rabbitmq-server)."
            )
        self._data.mkdir(parents=True, exist_ok=True)
        self._number()
        environ = self._environment()
        if self._mapper.pid is None:
            self._mapper.start(
                [mapper], environ=environ, answers=lambda: self._answers("epmd"), seconds=_MAPPER_SECONDS
            )
        self._child.start([_PROGRAM], environ=environ, answers=lambda: self._answers("port"), seconds=_START_SECONDS)

    def stop(self) -> None:
        """End it in an orderly way."""
        self._child.stop(30)
        self._mapper.stop()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._child.kill()
        self._mapper.kill()

    def empty(self) -> None:
        """Take away all that it held, while it does not run."""
        shutil.rmtree(self._data / "mnesia")

    def _answers(self, port: str) -> bool:
        return listens(int(self._numbers[port]))

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
            # Has the script become the node, in place of a shell that waits for it and dies without it.
            "RUNNING_UNDER_SYSTEMD": "true",
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
