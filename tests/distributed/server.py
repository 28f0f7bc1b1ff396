"""A server that has a launcher of its own, on one host of a test's network: `python -m tests.distributed.server`."""

import json
import signal
import sys
from pathlib import Path

from moocflix.platform.local_servers.kafka import KafkaServer
from moocflix.platform.postgres_options import PostgresOptions
from moocflix.platform.postgres_server import PostgresServer
from moocflix.platform.process import die_with_parent


def run(kind: str, data: Path, host: str) -> None:
    """Start it, say where it is in one line of JSON, and stop it at SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    server: KafkaServer | PostgresServer
    if kind == "postgres":
        # What a new cluster lets in are connections from its own machine.
        lets_in = data / "pg_hba.conf"
        lets_in.write_text("host all all samenet scram-sha-256\n")
        options = PostgresOptions(host=host, max_connections=200, extra={"hba_file": str(lets_in)})
        server = PostgresServer(data, options=options)
        address = server.start()
        said = {"host": address.host, "port": address.port, "user": address.user, "password": address.password}
    else:
        server = KafkaServer(data, host=host)
        server.start()
        said = {"servers": server.bootstrap_servers}
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM})
    server.stop()


if __name__ == "__main__":
    die_with_parent()
    run(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
