"""Work beside the requests: it ends with its process, and its process with it."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from moocflix.platform.background import Background


@pytest.fixture
async def ended() -> AsyncIterator[asyncio.Event]:
    """Set when this process is told to end."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    yield told
    loop.remove_signal_handler(signal.SIGTERM)


async def fail() -> None:
    raise RuntimeError("It was not to end.")


async def go_on() -> None:
    await asyncio.Event().wait()


async def test_the_process_ends_and_fails_with_work_that_fails(ended: asyncio.Event) -> None:
    background = Background()
    background.start(go_on())
    background.start(fail())
    async with asyncio.timeout(5):
        await ended.wait()
    with pytest.raises(RuntimeError):
        await background.stop()


async def test_work_that_is_stopped_ends_nothing_else(ended: asyncio.Event) -> None:
    background = Background()
    background.start(go_on())
    await asyncio.sleep(0)
    await background.stop()
    await asyncio.sleep(0)
    assert not ended.is_set()
