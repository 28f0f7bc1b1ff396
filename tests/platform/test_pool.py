"""Connections, which are fewer than those who want one."""

import asyncio
import time

import pytest

from moocflix.platform.database import pool as pools
from moocflix.platform.database.pool import Pool
from moocflix.platform.errors import Unavailable
from tests.platform.post_office import PostOffice


async def test_who_waits_too_long_is_refused(office: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_WAIT_SECONDS", 0.05)
    pool = Pool(office.urls.service("library"), size=1)
    taken = await pool.acquire()
    with pytest.raises(Unavailable, match="All connections"):
        await pool.acquire()
    pool.release(taken)
    await pool.close()


async def test_a_connection_that_comes_back_as_the_time_ends_is_not_left_lying(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "_WAIT_SECONDS", 0.05)
    pool = Pool(office.urls.service("library"), size=1)
    taken = await pool.acquire()
    waiting = asyncio.create_task(pool.acquire())
    asyncio.get_running_loop().call_later(0.02, pool.release, taken)
    while not pool.waiting:
        await asyncio.sleep(0)
    # The loop wakes to both at once: the connection is back, and the time is over.
    time.sleep(0.1)  # noqa: ASYNC251 - which is what a busy loop looks like
    assert await waiting is taken
    pool.release(taken)
    await pool.close()
