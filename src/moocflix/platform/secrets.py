"""Secrets: from files, or from the environment; the embedded default makes its own, readable by its owner alone."""

import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path

from moocflix.platform.sealing import derive_key
from moocflix.platform.settings import PlatformSettings, SecretsSettings, Settings, SettingsError

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")
_LEAST_LENGTH = 32


class SecretMissing(SettingsError):
    """A secret that this process must not make up itself."""


class Secrets:
    """The platform's secrets by name.

    A secret is the file of its name in the folder; the variable `MOOCFLIX_SECRET_<NAME>` comes before it. Where
    neither is there, it is made, once: two processes that race end with the same one. In production nothing is made.
    """

    def __init__(self, folder: Path, *, make: bool = True, given: Callable[[str], str | None] | None = None) -> None:
        """`given` looks a variable of the environment up."""
        self.folder = folder
        self.make = make
        self.given = given
        self._read: dict[str, bytes] = {}

    @classmethod
    def of(cls, settings: Settings) -> "Secrets":
        """As the settings say."""
        platform = settings.of(PlatformSettings)
        folder = settings.of(SecretsSettings).folder
        path = Path(folder) if folder else platform.data / "secrets"
        return cls(path, make=platform.environment != "production", given=settings.value)

    def text(self, name: str) -> bytes:
        """The secret itself. Raises SecretMissing."""
        if name not in self._read:
            self._read[name] = self._find(name)
        return self._read[name]

    def key(self, name: str, *, purpose: str) -> bytes:
        """32 bytes drawn from the secret, for one purpose. Raises SecretMissing."""
        return derive_key(self.text(name), purpose=purpose)

    def _find(self, name: str) -> bytes:
        if not _NAME.match(name):
            raise ValueError(name)
        variable = f"MOOCFLIX_SECRET_{name}".replace("-", "_").upper()
        path = self.folder / name
        given = self.given(variable) if self.given else None
        found = given.encode() if given is not None else read_or_make(path, make=_random_text if self.make else None)
        secret = found.strip()
        if len(secret) < _LEAST_LENGTH:
            raise SecretMissing(f"Secret {variable} (or {path}) is shorter than {_LEAST_LENGTH} characters.")
        return secret


def read_or_make(path: Path, *, make: Callable[[], bytes] | None) -> bytes:
    """The file's bytes; where it is not there, `make` says what to put in, for its owner's eyes alone.

    The whole content appears under the name at once and the first to write it wins, so that a reader never sees
    half of it and all see the same. Raises SecretMissing.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        if make is None:
            raise SecretMissing(f"The secret file {path} is not there, and in production none is made up.") from None
    except OSError as error:
        raise SecretMissing(f"The secret file {path} cannot be read: {error.strerror}.") from error
    try:
        _write_once(path, make())
        return path.read_bytes()
    except OSError as error:
        raise SecretMissing(f"The secret file {path} cannot be written: {error.strerror}.") from error


def _write_once(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link fails where the name is taken; a rename would put the second secret over the first.
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _random_text() -> bytes:
    return secrets.token_urlsafe(48).encode()
