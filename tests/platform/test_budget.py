"""The connections that the processes may open are held against what the server allows."""

import os
from pathlib import Path

import pytest

from moocflix.entrypoints.distributed.run import Distribution
from moocflix.entrypoints.services import SERVICES
from moocflix.entrypoints.supervisor import Signals
from moocflix.platform.database.budget import check_budget, most_connections
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.settings import Settings, SettingsError, load


def test_pools_count_and_what_each_process_has_beside_them(settings: Settings) -> None:
    one = most_connections(settings, pools=5, databases=1)
    assert most_connections(settings, pools=15, databases=3) - one == 2 * (5 * 4 + 4)


def test_a_distributed_platforms_server_allows_what_its_pools_may_open(tmp_path: Path) -> None:
    spread = Wide({"MOOCFLIX_DATA": str(tmp_path), "MOOCFLIX_DATABASE_POOL_SIZE": "100"})
    assert spread.allowed() > len(SERVICES) * 2 * 100
    assert Wide({"MOOCFLIX_DATA": str(tmp_path)}).allowed() == 200


class Wide(Distribution):
    """A distributed platform that is not started."""

    def __init__(self, environ: dict[str, str]) -> None:
        settings = load(environ={"MOOCFLIX_CONFIG": os.devnull, **environ})
        super().__init__(settings, Signals(), say=lambda _line: None)

    def allowed(self) -> int:
        """How many connections its server takes."""
        return self._postgres_options().max_connections


async def test_a_server_that_allows_too_few_is_refused_in_a_sentence(urls: DatabaseUrls) -> None:
    await check_budget(urls.admin, needed=100)
    with pytest.raises(SettingsError, match="allows 100 connections and up to 5000"):
        await check_budget(urls.admin, needed=5000)
