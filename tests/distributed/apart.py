"""The distributed platform with every part on a host of its own, as on many machines, in a network that can be broken.

The parts are those of `moocflix distributed`, started by the same commands and told the same of each other; only the
addresses differ. Nobody starts again what ends: a broken link is no reason to end.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from moocflix.entrypoints.distributed.layout import HERE, Layout
from moocflix.entrypoints.gateway import envoy as envoy_file
from moocflix.entrypoints.services import SERVICES
from moocflix.platform import data_folder
from moocflix.platform.local_servers import envoy, valkey
from moocflix.platform.postgres_address import ServerAddress
from moocflix.platform.process import dying_with_me
from moocflix.platform.settings import Settings, load
from tests.faults.network import Network

NAMES = tuple(service.name for service in SERVICES)
PARTS = ("postgres", "kafka", "valkey", *NAMES, "relay", "worker", "gateway")
ROOT = Path(__file__).parents[2]
LIMITS = {"MOOCFLIX_HTTP_API_LIMIT": "100000", "MOOCFLIX_HTTP_AUTH_LIMIT": "100000"}

_PORT = "8000"
_SECONDS, _STOP_SECONDS = 240.0, 30.0


class Apart:
    """One running platform. `network` has a host for each of PARTS."""

    def __init__(self, network: Network, folder: Path) -> None:
        """Nothing is started before `start`."""
        self.network = network
        self.data = folder / "data"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.databases: dict[str, str] = {}
        """The URL of each service's database, with the service's own login."""
        self._bare = {name: value for name, value in os.environ.items() if not name.startswith("MOOCFLIX_")}
        data_folder.prepare(self.data)
        self._layout = Layout(self._settings(), NAMES)

    @property
    def url(self) -> str:
        """Where the gateway answers."""
        return f"http://{self.network.address('gateway')}:{_PORT}"

    @property
    def state(self) -> dict[str, Any]:
        """What `distributed.json` says of one that runs on one machine, as far as it is asked for."""
        return {"postgres": self.databases, "kafka": {"bootstrapServers": self._layout.kafka_servers}}

    def url_of(self, service: str) -> str:
        """Where a service itself answers."""
        return f"http://{self.network.address(service)}:{self._layout.public[service]}"

    def start(self) -> "Apart":
        """Start all parts, and return once each answers."""
        where = ServerAddress(**self._start_server("postgres"))
        self.databases = self._layout.databases(where)
        self._layout.kafka_servers = self._start_server("kafka")["servers"]
        self._start("valkey", self._valkey(), self._bare)
        self._migrate(where)
        ours = [sys.executable, "-m", "moocflix"]
        for name in NAMES:
            told = self._layout.service_environment(name, self.databases[name])
            self._start(name, [*ours, "serve", name], self._told(name, told))
        told = self._layout.environment(self.databases)
        self._start("relay", [*ours, "relay"], self._told("relay", told))
        self._start("worker", [*ours, "work"], self._told("worker", told))
        self._start("gateway", self._gateway(), self._bare)
        self._await([self.url_of(name) for name in NAMES] + [self.url])
        return self

    def stop(self) -> None:
        """End all parts, what others stand on last."""
        servers = ("valkey", "kafka", "postgres")
        _end([process for name, process in self.processes.items() if name not in servers])
        _end([self.processes[name] for name in servers if name in self.processes])

    def ended(self) -> list[str]:
        """Parts that do not run any more."""
        return [name for name, process in self.processes.items() if process.poll() is not None]

    def log(self, name: str) -> str:
        """What a part has said, the end of it."""
        return (self.data / "logs" / f"{name}.log").read_text(errors="replace")[-3000:]

    def _settings(self) -> Settings:
        return load(environ={"MOOCFLIX_DATA": str(self.data), "MOOCFLIX_PORT": _PORT, "MOOCFLIX_CONFIG": os.devnull})

    def _told(self, name: str, told: Mapping[str, str]) -> dict[str, str]:
        """What the starter on one machine tells a process, with each part's own address in place of that machine's."""
        owners = {
            port: owner for ports in (self._layout.public, self._layout.internal) for owner, port in ports.items()
        }
        places = {f"{HERE}:{port}": f"{self.network.address(owner)}:{port}" for port, owner in owners.items()}
        places[f"{HERE}:{self._layout.valkey_port}"] = f"{self.network.address('valkey')}:{self._layout.valkey_port}"
        for here, there in places.items():
            told = {variable: value.replace(here, there) for variable, value in told.items()}
        return {
            **{variable: value for variable, value in told.items() if not variable.startswith("MOOCFLIX_STORAGE_")},
            **LIMITS,
            "MOOCFLIX_PLATFORM_PUBLIC_URL": self.url,
            "MOOCFLIX_HTTP_HOST": self.network.address(name),
            "MOOCFLIX_INTERNAL_HOST": self.network.address(name),
            "MOOCFLIX_HTTP_TRUSTED_PROXIES": self.network.address("gateway"),
        }

    def _start(self, name: str, command: Sequence[str], environ: Mapping[str, str], *, output: Any = None) -> None:
        with (self.data / "logs" / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                self.network.within(name, command),
                stdin=subprocess.DEVNULL,
                stdout=output or log,
                stderr=log,
                env=dict(environ),
                cwd=ROOT,
                process_group=0,
                preexec_fn=dying_with_me(),  # noqa: PLW1509 - no threads hold locks that it needs
            )

    def _start_server(self, kind: str) -> dict[str, Any]:
        folder = self.data if kind == "postgres" else self.data / kind
        command = [sys.executable, "-m", "tests.distributed.server", kind, str(folder), self.network.address(kind)]
        self._start(kind, command, self._bare, output=subprocess.PIPE)
        process = self.processes[kind]
        assert process.stdout is not None
        with process.stdout as said:
            line = said.readline()
        assert line, self.log(kind)
        found: dict[str, Any] = json.loads(line)
        return found

    def _valkey(self) -> list[str]:
        return valkey.command(
            folder=self._layout.folder("valkey"),
            host=self.network.address("valkey"),
            port=self._layout.valkey_port,
            password=self._layout.valkey_password,
        )

    def _gateway(self) -> list[str]:
        services = {name: (self.network.address(name), self._layout.public[name]) for name in NAMES}
        place = replace(self._layout.envoy(), host=self.network.address("gateway"), services=services)
        file = self.data / "envoy.json"
        file.write_text(json.dumps(envoy_file.config(SERVICES, place)))
        return envoy.command(file)

    def _migrate(self, where: ServerAddress) -> None:
        apart = {f"MOOCFLIX_DATABASE_{name.upper()}_URL": url for name, url in self.databases.items()}
        told = {"MOOCFLIX_DATA": str(self.data), "MOOCFLIX_DATABASE_URL": where.dsn("moocflix"), **apart}
        command = [sys.executable, "-m", "moocflix", "migrate"]
        done = subprocess.run(
            command, env={**self._bare, **told}, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def _await(self, urls: Sequence[str]) -> None:
        deadline = time.monotonic() + _SECONDS
        for url in urls:
            while not _is_ready(url):
                for name in self.ended():
                    raise AssertionError(f"{name} has ended: {self.log(name)}")
                assert time.monotonic() < deadline, f"{url} is not ready"
                time.sleep(0.1)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=5).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
