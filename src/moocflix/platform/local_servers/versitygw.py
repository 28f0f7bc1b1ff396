"""versitygw: a small S3 server that checks signatures and keeps files in a folder; built with Go once, then kept."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from moocflix.platform.data_folder import own_folder
from moocflix.platform.local_servers.child import LocalServerError

VERSION = "v1.8.0"
_MODULE = f"github.com/versity/versitygw/cmd/versitygw@{VERSION}"


def program(say: Callable[[str], None] = lambda _line: None) -> Path:
    """The server's program, built if need be, which takes a minute or two. Raises LocalServerError."""
    built = _folder() / "versitygw"
    if built.exists():
        return built
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise LocalServerError("Go is missing: it builds versitygw, the S3 server. Install Go 1.24 or newer.")
    say(f"Building versitygw {VERSION} with Go, once; that takes a minute or two.")
    environ = {**os.environ, "GOBIN": str(built.parent), "GOFLAGS": "-buildvcs=false -trimpath"}
    done = subprocess.run(
        [go, "install", "-ldflags", "-s -w", _MODULE], env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode != 0 or not built.exists():
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise LocalServerError(f"versitygw could not be built with Go: {reason}")
    return built


def command(*, binary: Path, folder: Path, port: int, bucket: str) -> list[str]:
    """The command that runs it on this port of this machine alone; a folder below its root is a bucket."""
    for name in ("iam", "versions", f"root/{bucket}"):
        own_folder(folder / name)
    return [
        str(binary),
        *("-p", f"127.0.0.1:{port}"),
        "--quiet",
        *("--iam-dir", str(folder / "iam")),
        "posix",
        *("--versioning-dir", str(folder / "versions")),
        str(folder / "root"),
    ]


def environment(*, access_key: str, secret_key: str) -> dict[str, str]:
    """What it reads from its environment, since everybody may read command lines."""
    return {"ROOT_ACCESS_KEY": access_key, "ROOT_SECRET_KEY": secret_key}


def _folder() -> Path:
    """Where built programs are kept, for all data folders of this account."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "moocflix" / f"versitygw-{VERSION}"
