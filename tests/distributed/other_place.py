"""What an installation stands on that somebody else looks after: PostgreSQL, Kafka, S3, and settings that name them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from moocflix.platform.local_servers import versitygw
from moocflix.platform.local_servers.child import ServerChild, free_port, listens
from moocflix.platform.local_servers.kafka import KafkaServer
from moocflix.platform.postgres_options import PostgresOptions
from moocflix.platform.postgres_server import PostgresServer

BARE = {name: value for name, value in os.environ.items() if not name.startswith("MOOCFLIX_")}
_S3 = {"access_key": "mover", "secret_key": "a key of this test alone"}


@dataclass(frozen=True)
class OtherPlace:
    """Servers that run, and nothing of ours on them yet."""

    settings: dict[str, str]
    file: Path
    """The same settings, as `moocflix move` wants them."""
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings['MOOCFLIX_PORT']}"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "moocflix", *arguments]

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A process of the installation, stopped in the end."""
        with self.log.open("ab") as log:
            environ = {**BARE, **self.settings}
            process = subprocess.Popen(self.command(*arguments), env=environ, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)

    async def database(self, name: str) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(self.settings["MOOCFLIX_DATABASE_URL"].replace("/moocflix", f"/{name}"))


@contextmanager
def other_place(folder: Path) -> Iterator[OtherPlace]:
    """Start them, each on a free port."""
    with ExitStack() as stack:
        postgres = PostgresServer(folder / "postgres", options=PostgresOptions(host="127.0.0.1"))
        stack.callback(postgres.stop)
        address = postgres.start()
        kafka = KafkaServer(folder / "kafka")
        stack.callback(kafka.stop)
        kafka.start()
        port = free_port()
        s3 = ServerChild("S3", folder / "s3.log")
        stack.callback(s3.stop)
        s3.start(
            versitygw.command(binary=versitygw.program(), folder=folder / "s3", port=port, bucket="moved"),
            answers=lambda: listens(port),
            seconds=30,
            environ={**BARE, **versitygw.environment(**_S3)},
        )
        settings = {
            "MOOCFLIX_DATA": str(folder / "data"),
            "MOOCFLIX_PORT": str(free_port()),
            "MOOCFLIX_DATABASE_URL": address.dsn("moocflix"),
            "MOOCFLIX_STORAGE_KIND": "s3",
            "MOOCFLIX_STORAGE_S3_ENDPOINT": f"http://127.0.0.1:{port}",
            "MOOCFLIX_STORAGE_S3_BUCKET": "moved",
            "MOOCFLIX_STORAGE_S3_ACCESS_KEY": _S3["access_key"],
            "MOOCFLIX_STORAGE_S3_SECRET_KEY": _S3["secret_key"],
            "MOOCFLIX_EVENTS_BUS": "kafka",
            "MOOCFLIX_KAFKA_SERVERS": kafka.bootstrap_servers,
            "MOOCFLIX_HTTP_API_LIMIT": "100000",
            "MOOCFLIX_HTTP_AUTH_LIMIT": "100000",
        }
        file = folder / "distributed.env"
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        yield OtherPlace(settings, file, folder / "log")
