"""`distributed`: every service a process of its own on this machine, and what they stand on."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from moocflix.entrypoints import environment_file
from moocflix.entrypoints.distributed.board import Board
from moocflix.entrypoints.distributed.layout import BUCKET, HERE, REGION, Layout
from moocflix.entrypoints.gateway import envoy as envoy_file
from moocflix.entrypoints.installation import Installation, answer, is_ready
from moocflix.entrypoints.migrate import sources
from moocflix.entrypoints.services import SERVICES
from moocflix.entrypoints.supervisor import Child, Signals
from moocflix.platform.database.budget import most_connections
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.errors import Unavailable
from moocflix.platform.events.brokers import groups_of, open_broker
from moocflix.platform.local_servers import envoy, valkey, versitygw
from moocflix.platform.local_servers.child import listens
from moocflix.platform.local_servers.kafka import KafkaServer
from moocflix.platform.migrations import migrate
from moocflix.platform.postgres_address import ServerAddress
from moocflix.platform.postgres_options import PostgresOptions
from moocflix.platform.postgres_server import PostgresServer
from moocflix.platform.settings import PostgresSettings, Settings, load

_KEYS = "/.well-known/jwks.json"
# More processes may be started by hand.
_CONNECTIONS = 200


def run(settings: Settings, *, say: Callable[[str], None]) -> None:
    """Run the distributed platform until a signal ends it. Raises OperatorError."""
    with Signals().caught() as signals:
        Distribution(settings, signals, say=say).run_until_stopped()


async def _make_topics(settings: Settings) -> bool:
    """Whether all topics are there now."""
    broker = open_broker(settings)
    if broker is None:
        return True
    try:
        await broker.prepare([topic for service in SERVICES for topic in service.topics], groups_of(SERVICES))
    except Unavailable:
        return False
    finally:
        await broker.close()
    return True


class Distribution(Installation):
    """Each service, a relay and a worker behind a gateway, and all that they stand on."""

    distributed = True
    first = "users"
    ready_seconds = 120.0

    def __init__(self, settings: Settings, signals: Signals, *, say: Callable[[str], None]) -> None:
        """Nothing happens before `run_until_stopped`."""
        super().__init__(settings, signals, say=say)
        self._names = [service.name for service in SERVICES]
        self._ports: list[int] = []
        self._told = settings
        """Once it is started, with the addresses of what they all stand on."""

    def _make_record(self) -> Board:
        self._board = Board(self._data, running=self._running)
        return self._board

    def _prepare(self) -> list[Child]:
        # It makes secrets, in a folder that is there and is our own.
        layout = Layout(self._settings, self._names)
        broker = KafkaServer(layout.folder("kafka"))
        commands = {"gateway": envoy.command(layout.folder("run") / "envoy.json"), "kafka": broker.command()}
        layout.kafka_servers = broker.bootstrap_servers
        self._ports = [broker.port, layout.valkey_port, layout.s3.port]
        s3_program = versitygw.program(self._say)
        server = self._start_postgres()
        databases = layout.databases(server)
        overruled = layout.overruled(databases)
        if overruled:
            self._say(f"{', '.join(overruled)}: not used here, where everything is started on this machine.")
        self._told = load(environ={**layout.environment(databases), "MOOCFLIX_DATABASE_URL": server.dsn("moocflix")})
        self._migrate()
        environment_file.write(self._board.told, layout.operator_environment(server, databases))
        self._fill_board(layout, databases)
        return self._make_children(layout, databases, commands, s3_program)

    def _is_ready(self) -> bool:
        """All that they stand on listens, every service answers, then the gateway, which asks them.

        The topics are made here, too: who subscribes before the relay has made them may find them minutes later.
        """
        gateway, urls = self._children[0], self._board.urls
        if gateway.mark is None:
            # A minute after the first look somebody else may have it.
            self._check_port()
            there = all(map(listens, self._ports)) and all(is_ready(urls[name]) for name in self._names)
            there = there and asyncio.run(_make_topics(self._told))
            gateway.waits = not there
            # Told as soon as it is started: whoever gets an answer of it finds the file.
            self._board.complete = there
            return False
        # One who listens there in its place has no keys of ours.
        return is_ready(urls["gateway"]) and answer(urls["gateway"], _KEYS) == answer(urls["users"], _KEYS)

    def _screen(self) -> list[str]:
        return self._board.screen()

    def _start_postgres(self) -> ServerAddress:
        self._postgres = PostgresServer(self._data, options=self._postgres_options())
        return self._postgres.start()

    def _postgres_options(self) -> PostgresOptions:
        options = PostgresOptions.of(self._settings.of(PostgresSettings))
        most = max(options.max_connections, _CONNECTIONS, self._connections())
        return replace(options, max_connections=most, host=HERE)

    def _connections(self) -> int:
        """How many may be open: a process for each service with one pool, a worker with all; a relay has none."""
        services = len(self._names)
        return most_connections(self._settings, pools=2 * services, databases=3 * services)

    def _migrate(self) -> None:
        # Nobody else uses these roles: with another secret they get other passwords.
        done = asyncio.run(migrate(DatabaseUrls.of(self._told), sources(), new_passwords=True))
        if done:
            self._say(f"{len(done)} migrations have run, in {len(self._names)} databases.")

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
        child = Child(name, command, environ=environ, log=self._data / "logs" / f"{name}.log", nice=nice)
        child.waits = waits
        return child

    def _fill_board(self, layout: Layout, databases: dict[str, str]) -> None:
        self._board.about = {
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
        self._board.urls = {
            "gateway": layout.gateway_url,
            **{name: layout.public_url(name) for name in self._names},
            "valkey": f"redis://127.0.0.1:{layout.valkey_port}",
            "s3": layout.s3.url,
            "kafka": layout.kafka_servers,
            "postgres": "postgresql://" + urlsplit(next(iter(databases.values()))).netloc.rpartition("@")[2],
        }

    def _running(self) -> dict[str, int]:
        running = {child.name: mark.pid for child in self._children if (mark := child.mark)}
        pid = self._postgres.pid if self._postgres is not None else None
        return running if pid is None else running | {"postgres": pid}
