"""What several server processes of one machine share beside the database, so that they answer as one."""

import secrets
from pathlib import Path

from moocflix.entrypoints.installation import CannotStart
from moocflix.platform.cache.settings import CacheSettings
from moocflix.platform.local_servers import valkey
from moocflix.platform.local_servers.child import LocalServerError, free_port
from moocflix.platform.settings import Settings


class ServerGroup:
    """The variables that the processes get, and the command of a Valkey of their own where no other is named."""

    def __init__(self, settings: Settings, data: Path, *, workers: int) -> None:
        """Raises CannotStart where there is no Valkey to be had."""
        self.environ: dict[str, str] = {}
        self.commands: dict[str, list[str]] = {}
        if settings.of(CacheSettings).url:
            return
        port, password = free_port(), secrets.token_hex(24)
        try:
            self.commands["valkey"] = valkey.command(folder=data / "valkey", port=port, password=password)
        except LocalServerError as error:
            raise CannotStart(f"{workers} server processes count requests together: {error}") from error
        self.environ["MOOCFLIX_CACHE_URL"] = valkey.url(port=port, password=password)
