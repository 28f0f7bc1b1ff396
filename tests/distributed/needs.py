"""What the tests of this folder need beside Python packages; run as a module it says what is missing."""

import shutil
import sys

PROGRAMS = {
    "java": "Java 17 or newer, for Kafka (Debian: apt-get install openjdk-17-jre-headless)",
    "mvn": "Maven, which fetches Kafka (Debian: apt-get install maven)",
    "go": "Go 1.24 or newer, which builds versitygw, the S3 server (https://go.dev/dl)",
    "rabbitmq-server": "RabbitMQ (Debian: apt-get install rabbitmq-server)",
}
_BESIDE = {"go": "/usr/local/go/bin", "rabbitmq-server": "/usr/sbin:/usr/lib/rabbitmq/bin"}


def missing() -> list[str]:
    """What cannot be found, in words."""
    return [
        f"{name} is missing: {what}"
        for name, what in PROGRAMS.items()
        if not (shutil.which(name) or shutil.which(name, path=_BESIDE.get(name, "")))
    ]


if __name__ == "__main__":
    lacking = missing()
    for line in lacking:
        sys.stderr.write(f"{line}\n")
    if lacking:
        sys.stderr.write("The distributed tests cannot run on this machine; `make test` can.\n")
    sys.exit(bool(lacking))
