"""What events cost: `python -m bench.events rate|times [BUS …]`, from the top of the repository; servers are its own.

    rate   events a second of the relay, beside the same library's producer with nothing around it
    times  milliseconds from a commit to the start of its reaction

`--help` of each says what it can be asked. Filling an outbox with millions of rows takes minutes: with `--data FOLDER`
they are kept for the next run.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import uvloop

from bench.events import rates, times
from bench.events.office import environment, open_office, prepare
from moocflix.platform import logs
from moocflix.platform.local_servers.kafka import KafkaServer
from moocflix.platform.postgres_server import PostgresServer
from tests.distributed.rabbit_server import RabbitServer

SERVERS: dict[str, Callable[[Path], Any]] = {"kafka": KafkaServer, "rabbitmq": RabbitServer}


def main() -> None:
    """Read the command line, start the servers and measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    commands = parser.add_subparsers(required=True)
    rate = commands.add_parser("rate")
    rate.add_argument("buses", nargs="+", choices=("kafka", "rabbitmq"))
    rate.add_argument("--events", type=int, default=20_000)
    rate.add_argument("--runs", type=int, default=3)
    rate.add_argument("--sent", type=int, nargs="*", default=[0], help="rows that the outbox holds and were sent")
    rate.add_argument("--waiting", type=int, nargs="*", default=[0], help="more rows that wait to be sent")
    rate.set_defaults(measure=rates.measure)
    time = commands.add_parser("times")
    time.add_argument("buses", nargs="+", choices=("postgres", "kafka", "rabbitmq"))
    time.add_argument("--seconds", type=float, default=10)
    time.add_argument("--load", type=int, default=1000, help="events a second")
    time.add_argument("--rows", type=int, nargs="*", default=[0], help="rows in the outbox that others wait for")
    time.set_defaults(measure=times.measure)
    options = parser.parse_args()
    kept = nullcontext(str(options.data)) if options.data else tempfile.TemporaryDirectory(prefix="moocflix-bench-")
    with kept as folder:
        run(Path(folder), options)


def run(folder: Path, options: argparse.Namespace) -> None:
    """Measure bus after bus."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    postgres = PostgresServer(folder / "postgres")
    postgres.start()
    try:
        for bus in options.buses:
            server = SERVERS[bus](folder / bus) if bus in SERVERS else None
            if server is not None:
                server.start()
            try:
                os.environ.update(environment(folder / "postgres", bus, server))
                uvloop.run(measured(folder, {"postgres": postgres, bus: server}, options))
            finally:
                if server is not None:
                    server.stop()
    finally:
        postgres.stop()


async def measured(folder: Path, servers: dict[str, Any], options: argparse.Namespace) -> None:
    """One bus."""
    office = open_office()
    try:
        await prepare(office, folder / "sql")
        await options.measure(office, servers, options)
    finally:
        await office.close()


if __name__ == "__main__":
    logs.configure()
    main()
