"""Wake-ups: after the commit, few for many commits, and never the matter of who commits."""

import asyncio
from collections import Counter

import asyncpg

from moocflix.platform.events.wakeups import CHANNEL, Wakeups
from tests.platform.post_office import PostOffice


async def test_many_commits_are_told_of_in_few_words(office: PostOffice) -> None:
    heard: Counter[object] = Counter()
    listener = await asyncpg.connect(office.urls.bus)
    await listener.add_listener(CHANNEL, lambda _connection, _pid, _channel, payload: heard.update([payload]))
    wakeups = Wakeups(office.urls.bus)
    for _ in range(200):
        wakeups.wake("library")
        wakeups.wake("archive")
        await asyncio.sleep(0)
    await wakeups.close()
    await listener.execute("SELECT 1")
    await listener.close()
    assert set(heard) == {"library", "archive"}
    assert max(heard.values()) < 50


async def test_a_database_that_is_away_disturbs_nobody(office: PostOffice) -> None:
    wakeups = Wakeups("postgresql://nobody@127.0.0.1:9/nowhere")
    wakeups.wake("library")
    await asyncio.sleep(0.05)
    wakeups.wake("library")
    await wakeups.close()
