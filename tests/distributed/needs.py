"""What the distributed tests need beside Python packages; run as a module it says what is missing, or fetches it.

It takes the names of the programs to look for; without any it looks for all.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

from moocflix.platform.local_servers import versitygw
from moocflix.platform.local_servers.kafka import KafkaServer
from tests.faults.network import Network

PROGRAMS = {
    "java": "Java 17 or newer, for Kafka (Debian: apt-get install openjdk-17-jre-headless)",
    "mvn": "Maven, which fetches Kafka (Debian: apt-get install maven)",
    "go": "Go 1.24 or newer, which builds versitygw, the S3 server (https://go.dev/dl)",
    "rabbitmq-server": "RabbitMQ (Debian: apt-get install rabbitmq-server)",
    "redis-server": "Redis, the other server that counts requests (Debian: apt-get install redis-server)",
}
_BESIDE = {"go": "/usr/local/go/bin", "rabbitmq-server": "/usr/sbin:/usr/lib/rabbitmq/bin"}


def missing(names: Collection[str]) -> list[str]:
    """Which of these cannot be found, in words."""
    return [
        f"{name} is missing: {PROGRAMS[name]}"
        for name in names
        if not (shutil.which(name) or shutil.which(name, path=_BESIDE.get(name, "")))
    ]


def no_networks() -> str | None:
    """That this machine lets nobody have networks of their own, and why; None where it does."""
    try:
        with Network(["somewhere"]):
            return None
    except (OSError, RuntimeError) as error:
        return f"No links are cut or slowed: that needs root, iproute2, network namespaces and /dev/net/tun ({error})."


def fetch() -> None:
    """Have what is fetched and built once, so that no test waits for it."""
    KafkaServer(Path(tempfile.gettempdir())).fetch()
    versitygw.program(print)


if __name__ == "__main__":
    lacking = missing(sys.argv[1:] or PROGRAMS)
    for line in lacking:
        sys.stderr.write(f"{line}\n")
    if lacking:
        sys.stderr.write("The distributed tests cannot run on this machine; `make test` can.\n")
        sys.exit(1)
    without = no_networks()
    if without:
        sys.stderr.write(f"{without}\n")
        # Elsewhere they are left out; the project's own gate is to run them all.
        if os.environ.get("CI"):
            sys.exit(1)
    fetch()
