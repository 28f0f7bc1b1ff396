"""The connections that the processes may open are held against what the server allows."""

import pytest

from moocflix.platform.database.budget import check_budget, most_connections
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.settings import Settings, SettingsError


def test_each_process_counts_a_pool_for_each_service(settings: Settings) -> None:
    one = most_connections(settings, services=5, processes=1)
    assert most_connections(settings, services=5, processes=3) - one == 2 * (5 * 4 + 4)


async def test_a_server_that_allows_too_few_is_refused_in_a_sentence(urls: DatabaseUrls) -> None:
    await check_budget(urls.admin, needed=100)
    with pytest.raises(SettingsError, match="allows 100 connections and up to 5000"):
        await check_budget(urls.admin, needed=5000)
