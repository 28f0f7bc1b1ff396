"""The body as it comes in; and what is still to come of it when the answer is already known.

A client that is cut off while it sends does not read why: its connection is reset. So the rest is read and thrown
away, within bounds; what is more than that is cut off all the same. Who falls silent has nothing more to come: such a
connection is closed at once.
"""

import asyncio
from contextlib import suppress
from typing import Any

from litestar.types import Receive

from moocflix.platform.errors import TooSlow

_DRAINED_BYTES = 64 * 1024 * 1024
_DRAINED_SECONDS = 10.0


class BodyTooSlow(TooSlow):
    """The body was begun, or announced, and does not come."""

    def __init__(self) -> None:
        super().__init__("The body did not come in time.")


class Incoming:
    """A request's messages, which knows whether the body has been asked for, and whether it has ended."""

    __slots__ = ("_ends", "_receive", "_silence", "begun", "ended", "given_up")

    def __init__(self, receive: Receive) -> None:
        """The messages come from `receive`."""
        self._receive = receive
        self._silence: float | None = None
        self._ends: float | None = None
        self.begun = False
        self.ended = False
        self.given_up = False

    def bound(self, *, silence: float, total: float | None) -> None:
        """Wait so many seconds for a message, and from now on so many for all; None: as long as they come."""
        self._silence = silence
        self._ends = None if total is None else asyncio.get_running_loop().time() + total

    async def __call__(self) -> Any:
        """The next message. Raises BodyTooSlow where it does not come in time."""
        try:
            async with asyncio.timeout_at(self._latest()):
                return await self._next()
        except TimeoutError:
            self.given_up = True
            raise BodyTooSlow from None

    def _latest(self) -> float | None:
        if self._silence is None:
            return None
        latest = asyncio.get_running_loop().time() + self._silence
        return latest if self._ends is None else min(latest, self._ends)

    async def _next(self) -> Any:
        self.begun = True
        message = await self._receive()
        self.ended = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def drain(self, *, asks_first: bool) -> bool:
        """Read what is still to come; False where the connection must be closed instead.

        `asks_first` says that the client waits for a word before it sends (`Expect: 100-continue`).
        """
        if self.given_up or (asks_first and not self.begun):
            return self.ended
        size = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAINED_SECONDS):
                while not self.ended and size < _DRAINED_BYTES:
                    message: Any = await self._next()
                    size += len(message.get("body", b""))
        return self.ended
