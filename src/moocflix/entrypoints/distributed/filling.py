"""A distributed installation on this machine before its first start, with what its data go into and nothing else."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from moocflix.entrypoints import environment_file
from moocflix.entrypoints.distributed.run import Distribution
from moocflix.entrypoints.supervisor import Signals
from moocflix.platform import data_folder
from moocflix.platform.local_servers.child import LocalServerError, listens
from moocflix.platform.settings import Settings, load

_S3_SECONDS = 30.0


@contextmanager
def filling(folder: Path, *, say: Callable[[str], None]) -> Iterator[Settings]:
    """PostgreSQL, migrated, and S3 run for as long as this lasts; their settings.

    Nobody else writes there: no process of ours is started, and none can be before this has come to its end.
    Raises OperatorError.
    """
    settings = load(environ={**os.environ, "MOOCFLIX_PLATFORM_DATA": str(folder)})
    target = Target(settings, Signals(), say=say)
    try:
        yield target.open()
        data_folder.end_move(folder)
    finally:
        target.close()


class Target(Distribution):
    """Keeps the folder for itself, as a platform that runs does."""

    def open(self) -> Settings:
        """Start both."""
        self._take_folder()
        # Kafka is set up and Envoy found, too: what would stop the first start is known before anything has moved.
        self._children += [child for child in self._prepare() if child.name == "s3"]
        self._supervisor.start()
        port = urlsplit(self._board.urls["s3"]).port or 0
        deadline = time.monotonic() + _S3_SECONDS
        while not listens(port):
            if time.monotonic() > deadline:
                raise LocalServerError(f"The S3 server does not answer (see {self._data}/logs/s3.log).")
            self._supervisor.step(longest=0.05)
        return load(environ=environment_file.read(self._board.told))

    def close(self) -> None:
        """Stop both, and let go of the folder."""
        self._stop()

    def _claim(self) -> None:
        data_folder.claim_for_move(self._data)

    def _check_port(self, *, patience: float = 0.0) -> None:
        """Nobody comes in yet."""
