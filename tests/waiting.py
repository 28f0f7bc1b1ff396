"""Waiting for a fact in place of sleeping: a test goes on as soon as it is so, and fails where it never is."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any


async def until(condition: Callable[[], Awaitable[Any] | bool], *, seconds: float = 40.0) -> None:
    """Wait until the function, or coroutine function, gives something true."""
    try:
        async with asyncio.timeout(seconds):
            while not await _outcome(condition):
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not {condition.__qualname__} after {seconds:.0f} s") from None


async def _outcome(condition: Callable[[], Awaitable[Any] | bool]) -> Any:
    outcome = condition()
    return await outcome if isawaitable(outcome) else outcome
