"""Waiting for an event."""

import asyncio

import pytest

from moocflix.platform.waiting import wait_at_most


async def test_it_ends_with_the_event_or_the_time() -> None:
    event = asyncio.Event()
    await wait_at_most(0.01, event)
    event.set()
    await wait_at_most(3600, event)


async def test_a_cancellation_that_comes_together_with_the_event_is_not_lost() -> None:
    event = asyncio.Event()
    waiting = asyncio.create_task(wait_at_most(3600, event))
    await asyncio.sleep(0.01)
    event.set()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
