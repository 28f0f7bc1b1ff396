"""Keeps commands and injuries in step, by the count of commands: the clock of no machine decides what meets what."""

import asyncio


class Pace:
    """How many commands have begun, and how many may."""

    def __init__(self) -> None:
        """None has begun, and nothing holds them."""
        self._begun = 0
        self._limit: int | None = None
        self._changed = asyncio.Condition()

    async def turn(self) -> None:
        """Begin one more, once that is allowed."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._limit is None or self._begun < self._limit)
            self._begun += 1
            self._changed.notify_all()

    async def reached(self, number: int) -> None:
        """Wait until so many have begun."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._begun >= number)

    async def hold_at(self, limit: int | None) -> None:
        """Let no more than so many begin."""
        async with self._changed:
            self._limit = limit
            self._changed.notify_all()
