"""The data folder: made with the right permissions, and checked before anything is started in it."""

import errno
import os
import shutil
from pathlib import Path

from moocflix.platform.errors import OperatorError

MIN_FREE_BYTES = 64 * 1024 * 1024
_MARK = "kafka"
# There while data move in: a power cut is no end.
_MOVING = "moving"


class DataFolderError(OperatorError):
    """The data folder cannot be used."""


def prepare(data: Path) -> Path:
    """Make the data folder where it is missing, check that it can be written, and return its absolute path.

    Only what is made here gets permissions from here; an existing folder keeps its own.
    """
    folder = data.expanduser().absolute()
    try:
        if not folder.exists():
            folder.mkdir(parents=True)
            # The database server's account must pass through when root starts it; it cannot list.
            folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for name in ("secrets", "run", "logs"):
            own_folder(folder / name)
        probe = folder / "run" / f".probe-{os.getpid()}"
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DataFolderError(f"The disk of {folder} is full. Free some space and start again.") from error
        raise DataFolderError(
            f"The data folder {folder} cannot be written: {error.strerror or error}. Set another with MOOCFLIX_DATA."
        ) from error
    return folder


def claim(folder: Path, *, distributed: bool) -> None:
    """Take the folder for an installation of this kind: neither finds the other's data. Raises DataFolderError.

    A distributed one has a folder for Kafka from its first moment on, an embedded one never.
    """
    mark = folder / _MARK
    if distributed:
        _refuse_embedded(folder)
    if distributed and (folder / _MOVING).exists():
        raise DataFolderError(
            f"A move into {folder} has not come to its end. Begin it again, or set another folder with MOOCFLIX_DATA."
        )
    if not distributed and mark.is_dir():
        raise DataFolderError(
            f"The data in {folder} are those of `make distributed`. Set another folder for `make run` with "
            "MOOCFLIX_DATA."
        )
    if distributed:
        own_folder(mark)


def claim_for_move(folder: Path) -> None:
    """Take the folder for a distributed installation into which data move; none starts there before `end_move`.

    Raises DataFolderError where there is one already: it may have data, and messages in Kafka, of its own.
    """
    _refuse_embedded(folder)
    if (folder / _MARK).is_dir() and not (folder / _MOVING).exists():
        raise DataFolderError(f"There is a distributed platform in {folder} already. Name an empty folder.")
    (folder / _MOVING).touch()
    own_folder(folder / _MARK)


def end_move(folder: Path) -> None:
    """Say that the move has come to its end: all of it is on the disk, whatever each server leaves to the system."""
    os.sync()
    (folder / _MOVING).unlink()
    os.sync()


def _refuse_embedded(folder: Path) -> None:
    if is_embedded(folder):
        raise DataFolderError(
            f"The data in {folder} are those of `make run`. Set another folder for the distributed platform with "
            "MOOCFLIX_DATA: it starts empty. `moocflix move` takes data along."
        )


def is_embedded(folder: Path) -> bool:
    """Whether an embedded platform has made its database here."""
    return not (folder / _MARK).is_dir() and (folder / "secrets" / "postgres-password").exists()


def refuse_stopped(folder: Path) -> None:
    """Refuse to work on what a distributed platform has left: only it can start that. Raises DataFolderError."""
    if (folder / _MARK).is_dir():
        raise DataFolderError(
            f"The data in {folder} are those of `make distributed`, which is not running: start it first, and wait "
            "until it is ready."
        )


def check_space(folder: Path) -> None:
    """Refuse to start on a disk so full that the database could not even write its log."""
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_BYTES:
        raise DataFolderError(
            f"The disk of {folder} is full: {free // 1_000_000} MB are free, at least "
            f"{MIN_FREE_BYTES // 1_000_000} MB are needed. Free some space and start again."
        )


def own_folder(path: Path, mode: int = 0o700) -> Path:
    """A folder of ours: made if need be, whatever the umask says."""
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
    return path
