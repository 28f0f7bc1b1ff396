"""`secrets`: everything that a production start wants to find, made at once into a folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from moocflix.entrypoints.runtime import ASKER
from moocflix.platform.auth.service_tokens import ServiceKeys
from moocflix.platform.data_folder import own_folder
from moocflix.platform.secrets import SecretMissing, Secrets

NEEDED_BY = {
    "database": "every process, and `moocflix migrate`",
    "platform": "every server and worker",
    "users": "the server and the worker of users",
    "file-urls": "servers and workers that keep files in a folder",
}
"""The secrets of one installation, and who needs each."""


def make(folder: Path, services: Sequence[str]) -> Iterator[tuple[str, str, bool]]:
    """Make what is missing: each file's name, who needs it, and whether it was made; what is there stays as it is.

    Raises SecretMissing where a file cannot be written, or where half of a pair of keys is elsewhere.
    """
    secrets = Secrets(own_folder(folder))
    keys = ServiceKeys.of(secrets)
    owners = {ASKER: "every server and worker"} | {name: f"the server and the worker of {name}" for name in services}
    for name in owners:
        if (keys.folder / f"{name}.pub").exists() and not (keys.folder / f"{name}.key").exists():
            raise SecretMissing(f"{keys.folder / name}.pub is there without {name}.key: bring the key, or remove it.")
    for name, needed_by in NEEDED_BY.items():
        is_new = not (folder / name).exists()
        secrets.text(name)
        yield name, needed_by, is_new
    for name, needed_by in owners.items():
        is_new = not (keys.folder / f"{name}.key").exists()
        keys.private(name)
        yield f"service-keys/{name}.key", needed_by, is_new
        yield f"service-keys/{name}.pub", "every server", is_new
