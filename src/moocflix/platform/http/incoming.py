"""The body as it comes in; and what is still to come of it when the answer is already known.

A client that is cut off while it sends does not read why: its connection is reset. So the rest is read and thrown
away, within bounds; what is more than that is cut off all the same.
"""

import asyncio
from contextlib import suppress
from typing import Any

from litestar.types import Receive

_DRAINED_BYTES = 64 * 1024 * 1024
_DRAINED_SECONDS = 10.0


class Incoming:
    """A request's messages, which knows whether the body has been asked for, and whether it has ended."""

    __slots__ = ("_receive", "begun", "ended")

    def __init__(self, receive: Receive) -> None:
        """The messages come from `receive`."""
        self._receive = receive
        self.begun = False
        self.ended = False

    async def __call__(self) -> Any:
        """The next message."""
        self.begun = True
        message = await self._receive()
        self.ended = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def drain(self, *, asks_first: bool) -> bool:
        """Read what is still to come; False where the connection must be closed instead.

        `asks_first` says that the client waits for a word before it sends (`Expect: 100-continue`).
        """
        if asks_first and not self.begun:
            return self.ended
        size = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAINED_SECONDS):
                while not self.ended and size < _DRAINED_BYTES:
                    message: Any = await self()
                    size += len(message.get("body", b""))
        return self.ended
