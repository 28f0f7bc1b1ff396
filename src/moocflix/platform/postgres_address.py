"""Where an embedded PostgreSQL listens, and whether it answers there."""

import json
import secrets
import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from moocflix.platform.secrets import read_or_make

SUPERUSER = "postgres"
_PASSWORD = "postgres-password"  # noqa: S105 - the name of its file  # pragma: allowlist secret


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server listens (a socket's folder or a host), and its superuser."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)

    def dsn(self, database: str = "postgres", *, user: str | None = None, password: str | None = None) -> str:
        """The URL of one of its databases, for its superuser or another role."""
        who = f"{quote(user or self.user, safe='')}:{quote(password or self.password, safe='')}"
        if self.host.startswith("/"):
            return f"postgresql://{who}@/{database}?host={quote(self.host)}&port={self.port}"
        return f"postgresql://{who}@{self.host}:{self.port}/{database}"


def superuser_password(data: Path) -> str:
    """The superuser's password, made at the first start."""
    path = data / "secrets" / _PASSWORD
    return read_or_make(path, make=lambda: secrets.token_urlsafe(32).encode()).decode().strip()


def state_file(data: Path) -> Path:
    """Where the owner of a server says how to reach it."""
    return data / "run" / "postgres.json"


def running_address(data: Path) -> ServerAddress | None:
    """The server that another process runs on this data folder; None where none answers."""
    folder = data.expanduser().absolute()
    try:
        state = json.loads(state_file(folder).read_text())
        address = ServerAddress(state["host"], state["port"], SUPERUSER, superuser_password(folder))
    except (OSError, ValueError, KeyError):
        return None
    return address if probe(address.host, address.port) == "ready" else None


def probe(host: str, port: int) -> Literal["ready", "starting", "away"]:
    """Ask a server whether it takes connections: the first message of the protocol and the kind of its answer."""
    body = struct.pack(">i", 196608) + b"user\0postgres\0database\0postgres\0\0"
    local = host.startswith("/")
    try:
        with socket.socket(socket.AF_UNIX if local else socket.AF_INET, socket.SOCK_STREAM) as connection:
            connection.settimeout(2)
            connection.connect(f"{host}/.s.PGSQL.{port}" if local else (host, port))
            connection.sendall(struct.pack(">i", len(body) + 4) + body)
            answer = connection.recv(4096)
    except OSError:
        return "away"
    if answer[:1] == b"E" and b"C57P03\0" in answer:
        return "starting"
    return "ready" if answer else "away"
