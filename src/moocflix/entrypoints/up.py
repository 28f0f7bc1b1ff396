"""`up`: the whole platform on this machine, from one command."""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import replace

from moocflix.entrypoints.installation import Installation, address, is_ready
from moocflix.entrypoints.migrate import sources
from moocflix.entrypoints.server_group import ServerGroup
from moocflix.entrypoints.supervisor import Child, Signals
from moocflix.platform.database.budget import check_budget, most_connections
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.migrations import migrate
from moocflix.platform.postgres_options import PostgresOptions
from moocflix.platform.postgres_server import PostgresServer
from moocflix.platform.settings import DatabaseSettings, PostgresSettings, Settings


def run(settings: Settings, *, logs: bool, workers: int | None = None, say: Callable[[str], None]) -> None:
    """Run the platform until a signal ends it. Raises OperatorError.

    `logs` sends the processes' output to ours; `workers` server processes share the port.
    """
    with Signals().caught() as signals:
        Embedded(settings, signals, logs=logs, workers=workers, say=say).run_until_stopped()


class Embedded(Installation):
    """A server and a worker over a PostgreSQL."""

    distributed = False
    first = "server"
    ready_seconds = 60.0

    def __init__(
        self, settings: Settings, signals: Signals, *, logs: bool, workers: int | None, say: Callable[[str], None]
    ) -> None:
        """Nothing happens before `run_until_stopped`."""
        super().__init__(settings, signals, say=say)
        self._logs = logs
        self._workers = workers or self._http.workers

    def _prepare(self) -> list[Child]:
        self._start_postgres()
        self._migrate()
        return self._make_children()

    def _is_ready(self) -> bool:
        return is_ready(address(self._http))

    def _start_postgres(self) -> None:
        if self._settings.of(DatabaseSettings).url:
            return
        options = PostgresOptions.of(self._settings.of(PostgresSettings))
        most = max(options.max_connections, self._connections())
        self._postgres = PostgresServer(self._data, options=replace(options, max_connections=most))
        self._postgres.start()
        for notice in self._postgres.notices:
            self._say(notice)

    def _connections(self) -> int:
        """How many the server processes and the worker may open: each has pools of its own."""
        processes = self._workers + 1
        # A relay has none.
        apart = processes if self._settings.of(EventsSettings).bus == "postgres" else processes + 1
        return most_connections(self._settings, pools=processes * len(sources()), databases=apart)

    def _migrate(self) -> None:
        urls = DatabaseUrls.of(self._settings)
        done = asyncio.run(migrate(urls, sources()))
        asyncio.run(check_budget(urls.admin, needed=self._connections()))
        if done:
            self._say(f"{len(done)} migrations have run.")

    def _make_children(self) -> list[Child]:
        """Only now, with the folder our own: what they share is written into it."""
        # Few arenas: the processes have few threads, and each arena keeps memory that it was given once.
        environ = {"MALLOC_ARENA_MAX": "2", **os.environ, "MOOCFLIX_HTTP_WORKERS": str(self._workers)}
        # They would take one port, and it is we who look after them.
        environ["MOOCFLIX_HEALTH_PORT"] = "0"
        commands = {}
        if self._workers > 1:
            group = ServerGroup(self._settings, self._data, workers=self._workers)
            environ |= group.environ
            commands = group.commands
        ours = [sys.executable, "-m", "moocflix"]
        if self._settings.of(EventsSettings).bus != "postgres":
            commands["relay"] = [*ours, "relay"]
        logs = self._data / "logs"
        return [
            Child(name, command, environ=environ, log=None if self._logs else logs / f"{name}.log", nice=nice)
            # Who waits for an answer goes before what can wait.
            for name, command, nice in [
                ("server", [*ours, "serve"], 0),
                ("worker", [*ours, "work"], 5),
                *((name, command, 0) for name, command in commands.items()),
            ]
        ]
