"""How the embedded PostgreSQL is to run: its settings, and the command line that they make."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from moocflix.platform.postgres_address import ServerAddress
from moocflix.platform.postgres_place import SYSTEM_FOLDER
from moocflix.platform.settings import PostgresSettings


@dataclass(frozen=True, kw_only=True)
class PostgresOptions:
    """How a server is to run. A `host` has it listen at that address, instead of on a socket.

    `durable=False` is for tests: a power cut may break the data, a kill does not.
    """

    bin_dir: Path | None = None
    shared_buffers: str = "64MB"
    max_connections: int = 100
    durable: bool = True
    host: str = ""
    start_seconds: float = 300
    system_folder: Path = SYSTEM_FOLDER
    extra: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: PostgresSettings) -> "PostgresOptions":
        """As the settings say."""
        return cls(
            bin_dir=Path(settings.bin_dir) if settings.bin_dir else None,
            shared_buffers=settings.shared_buffers,
            max_connections=settings.max_connections,
        )


def arguments(options: PostgresOptions, *, major: int, address: ServerAddress) -> list[str]:
    """The server's command line: nothing is written into its own files, so that each start says everything."""
    local = address.host.startswith("/")
    values = {
        "listen_addresses": "" if local else address.host,
        "unix_socket_directories": address.host if local else "",
        "unix_socket_permissions": "0700",
        "port": str(address.port),
        "shared_buffers": options.shared_buffers,
        "max_connections": str(options.max_connections),
        # A small installation: fewer processes at rest, no compiler in each connection.
        "jit": "off",
        "max_logical_replication_workers": "0",
        "max_worker_processes": "4",
        "max_wal_size": "512MB",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_checkpoints": "off",
        # An error's detail holds the data (an e-mail address that is taken): whoever asked gets it, the log does not.
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
        "log_min_messages": "log",
    }
    if major >= 18:  # noqa: PLR2004
        values["io_method"] = "sync"
    if not options.durable:
        values |= {"fsync": "off", "full_page_writes": "off"}
    values |= options.extra
    return [part for name, value in values.items() for part in ("-c", f"{name}={value}")]
