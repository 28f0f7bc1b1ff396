"""Waiting for an event, but not for ever."""

import asyncio
from contextlib import suppress


async def wait_at_most(seconds: float, event: asyncio.Event) -> None:
    """Return once the event is set, or so many seconds have passed.

    In place of `asyncio.wait_for`: Python 3.11's loses a cancellation that comes together with what it waits for, and
    a task that is to end goes on for ever.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
