"""Starts the real thing on one machine, watches it, and stops it in order."""

import asyncio
import http.client
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from moocflix import __version__
from moocflix.entrypoints import environment_file
from moocflix.entrypoints.distributed.board import Board
from moocflix.entrypoints.distributed.layout import BUCKET, HERE, REGION, Layout
from moocflix.entrypoints.gateway import envoy as envoy_file
from moocflix.entrypoints.migrate import sources
from moocflix.entrypoints.services import SERVICES
from moocflix.entrypoints.shared import CannotStart
from moocflix.entrypoints.supervisor import Child, Signals, Stopped, Supervisor, harmless
from moocflix.platform import data_folder
from moocflix.platform.data_folder import DataFolderError
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.local_servers import envoy, valkey, versitygw
from moocflix.platform.local_servers.child import LocalServerError, listens
from moocflix.platform.local_servers.kafka import KafkaServer
from moocflix.platform.migration_files import MigrationError
from moocflix.platform.migrations import migrate
from moocflix.platform.postgres_address import ServerAddress
from moocflix.platform.postgres_options import PostgresOptions
from moocflix.platform.postgres_place import PostgresError
from moocflix.platform.postgres_server import PostgresServer
from moocflix.platform.process import FileLock, LockTaken
from moocflix.platform.settings import HttpSettings, PlatformSettings, PostgresSettings, Settings, load

_READY_SECONDS = 120.0
_FAILED_STARTS = 3
_CONNECTIONS = 200
_AGAIN_SECONDS = 5.0
_FAULTS = (DataFolderError, PostgresError, MigrationError, LocalServerError)


def run(settings: Settings, *, say: Callable[[str], None]) -> None:
    """Run the distributed platform until a signal ends it. Raises CannotStart."""
    with Signals().caught() as signals:
        installation = Distribution(settings, signals, say=say)
        try:
            installation.run()
        except Stopped:
            harmless(say)("Stopped.")
        except _FAULTS as fault:
            raise CannotStart(str(fault)) from fault
        finally:
            installation.stop()


class Distribution:
    """One run of the distributed platform."""

    def __init__(self, settings: Settings, signals: Signals, *, say: Callable[[str], None]) -> None:
        """Nothing happens before `run`."""
        self._begun = time.monotonic()
        self._settings = settings
        self._signals = signals
        self._say = harmless(say)
        self._names = [service.name for service in SERVICES]
        self._lock: FileLock | None = None
        self._postgres: PostgresServer | None = None
        self._postgres_due = 0.0
        self._children: list[Child] = []
        self._supervisor: Supervisor | None = None
        self._layout: Layout | None = None
        self._told: Path | None = None

    def run(self) -> None:
        """Start everything, say so, and keep it running."""
        with self._signals.interrupting():
            layout = self._prepare()
            broker = KafkaServer(layout.folder("kafka"))
            commands = {"gateway": envoy.command(layout.folder("run") / "envoy.json"), "kafka": broker.command()}
            layout.kafka_servers = broker.bootstrap_servers
            s3_program = versitygw.program(self._say)
            address = self._start_postgres()
            databases = layout.databases(address)
            self._migrate(address, databases)
        self._told = layout.folder("run") / environment_file.NAME
        environment_file.write(self._told, layout.operator_environment(address, databases))
        board = self._board(layout, databases)
        self._children = self._make_children(layout, databases, commands, s3_program)
        self._supervisor = Supervisor(self._children, record=board, signals=self._signals, say=self._say)
        self._supervisor.start()
        self._await_ready(board)
        while not self._signals.stops:
            self._supervisor.step(self._keep_postgres)
        self._say("Stopping.")

    def stop(self) -> None:
        """Stop what runs: the gateway, the services, the workers, then what they stand on, PostgreSQL last."""
        if self._lock is None:
            return
        if self._supervisor is not None:
            self._supervisor.stop()
        if self._told is not None:
            self._told.unlink(missing_ok=True)
        if self._postgres is not None:
            self._postgres.stop()
        self._lock.release()

    def _prepare(self) -> Layout:
        data = data_folder.prepare(self._settings.of(PlatformSettings).data)
        try:
            self._lock = FileLock(data / "run" / "up.lock")
        except LockTaken as taken:
            raise CannotStart(f"The platform already runs on {data} (process {taken.pid or '?'}).") from None
        # It makes secrets, in a folder that is there and is our own.
        layout = Layout(self._settings, self._names)
        data_folder.claim(layout.data, distributed=True)
        data_folder.check_space(layout.data)
        Board(layout.data, about={}, running=dict).end_leftovers()
        self._say(f"MoocFlix {__version__}, distributed, data in {layout.data}")
        port = self._settings.of(HttpSettings).port
        if listens(port):
            raise CannotStart(f"Port {port} is taken. Set another with MOOCFLIX_PORT.")
        self._layout = layout
        return layout

    def _start_postgres(self) -> ServerAddress:
        assert self._layout is not None  # noqa: S101 - made before
        given = self._settings.of(PostgresSettings)
        options = PostgresOptions(
            bin_dir=PostgresOptions.of(given).bin_dir,
            shared_buffers=given.shared_buffers,
            max_connections=max(given.max_connections, _CONNECTIONS),
            host=HERE,
        )
        self._postgres = PostgresServer(self._layout.data, options=options)
        return self._postgres.start()

    def _migrate(self, address: ServerAddress, databases: dict[str, str]) -> None:
        apart = {f"MOOCFLIX_DATABASE_{name.upper()}_URL": url for name, url in databases.items()}
        environ = {**os.environ, **apart, "MOOCFLIX_DATABASE_URL": address.dsn("moocflix")}
        done = asyncio.run(migrate(DatabaseUrls.of(load(environ=environ)), sources()))
        if done:
            self._say(f"{len(done)} migrations have run, in {len(databases)} databases.")

    def _make_children(
        self, layout: Layout, databases: dict[str, str], commands: dict[str, list[str]], s3_program: Path
    ) -> list[Child]:
        """In the order of their stop: who is asked by users first, what all stand on last."""
        config = layout.folder("run") / "envoy.json"
        config.write_text(json.dumps(envoy_file.config(SERVICES, layout.envoy()), indent=1))
        bare = {name: value for name, value in os.environ.items() if not name.startswith("MOOCFLIX_")}
        secrets = versitygw.environment(access_key=layout.s3.access_key, secret_key=layout.s3.secret_key)
        ours = [sys.executable, "-m", "moocflix"]
        return [
            self._child("gateway", commands["gateway"], bare, waits=True),
            *(
                self._child(name, [*ours, "serve", name], layout.service_environment(name, databases[name]))
                for name in self._names
            ),
            self._child("relay", [*ours, "relay"], layout.environment(databases)),
            self._child("worker", [*ours, "work"], layout.environment(databases), nice=5),
            self._child(
                "valkey",
                valkey.command(
                    folder=layout.folder("valkey"), port=layout.valkey_port, password=layout.valkey_password
                ),
                bare,
            ),
            self._child(
                "s3",
                versitygw.command(binary=s3_program, folder=layout.folder("s3"), port=layout.s3.port, bucket=BUCKET),
                {**bare, **secrets},
            ),
            self._child("kafka", commands["kafka"], bare),
        ]

    def _child(
        self, name: str, command: list[str], environ: dict[str, str], *, nice: int = 0, waits: bool = False
    ) -> Child:
        assert self._layout is not None  # noqa: S101 - made before
        child = Child(name, command, environ=environ, log=self._layout.folder("logs") / f"{name}.log", nice=nice)
        child.waits = waits
        return child

    def _board(self, layout: Layout, databases: dict[str, str]) -> Board:
        about = {
            "gateway": layout.gateway_url,
            "kafka": {"bootstrapServers": layout.kafka_servers},
            "postgres": databases,
            "valkey": layout.valkey_url,
            "s3": {
                "endpoint": layout.s3.url,
                "region": REGION,
                "bucket": BUCKET,
                "accessKey": layout.s3.access_key,
                "secretKey": layout.s3.secret_key,
            },
        }
        board = Board(layout.data, about=about, running=self._running)
        board.urls = {
            "gateway": layout.gateway_url,
            **{name: layout.public_url(name) for name in self._names},
            "valkey": f"redis://127.0.0.1:{layout.valkey_port}",
            "s3": layout.s3.url,
            "kafka": layout.kafka_servers,
            "postgres": "postgresql://" + urlsplit(next(iter(databases.values()))).netloc.rpartition("@")[2],
        }
        return board

    def _running(self) -> dict[str, int]:
        running = {child.name: mark.pid for child in self._children if (mark := child.mark)}
        pid = self._postgres.pid if self._postgres is not None else None
        return running if pid is None else running | {"postgres": pid}

    def _keep_postgres(self) -> None:
        """Start PostgreSQL again where it has died; the others find it under the same address."""
        if self._postgres is None or self._postgres.pid is not None or time.monotonic() < self._postgres_due:
            return
        self._say("PostgreSQL has ended; it is started again.")
        try:
            with self._signals.interrupting():
                self._postgres.start()
            if self._supervisor is not None:
                self._supervisor.note()
        except (*_FAULTS, OSError) as fault:
            self._say(str(fault))
            self._postgres_due = time.monotonic() + _AGAIN_SECONDS
        except Stopped:
            return

    def _await_ready(self, board: Board) -> None:
        """Wait until every service answers, then the gateway, which asks them; give up where one keeps dying."""
        deadline = time.monotonic() + _READY_SECONDS
        gateway = self._children[0]
        while not self._signals.stops:
            if gateway.waits:
                gateway.waits = not all(_ready(board.urls[name]) for name in self._names)
            elif _ready(board.urls["gateway"]):
                board.show()
                for line in board.screen():
                    self._say(line)
                seconds = time.monotonic() - self._begun
                self._say(f"Ready after {seconds:.1f} s: {board.about['gateway']}  (Ctrl-C stops it)")
                return
            assert self._supervisor is not None  # noqa: S101 - made before
            self._supervisor.step(self._keep_postgres, longest=0.1)
            dying = next((child.name for child in self._children if child.failures >= _FAILED_STARTS), None)
            if dying or time.monotonic() > deadline:
                log = board.file.parent / "logs" / f"{dying or 'users'}.log"
                raise CannotStart(f"The {dying or 'platform'} does not start: see {log}")


def _ready(url: str) -> bool:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
