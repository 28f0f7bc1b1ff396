"""The framework's answer, held back until the transaction has committed."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar.types import Send

from moocflix.platform.http.reply import Answer, Headers


class HeldAnswer:
    """Takes the framework's messages; a body in pieces is let through after `before_stream`."""

    __slots__ = ("_before_stream", "_chunks", "_send", "headers", "status", "streamed")

    def __init__(self, send: Send, before_stream: Callable[["HeldAnswer"], Awaitable[Headers]]) -> None:
        """`before_stream` commits and returns the whole head."""
        self._send = send
        self._before_stream = before_stream
        self._chunks: list[bytes] = []
        self.status = 500
        self.headers: Headers = []
        self.streamed = False

    async def receive_message(self, message: Any) -> None:
        """Take one ASGI message of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message["headers"])
        elif self.streamed:
            await self._send(message)
        elif message.get("more_body"):
            head = await self._before_stream(self)
            self.streamed = True
            await self._send({"type": "http.response.start", "status": self.status, "headers": head})
            await self._send(message)
        else:
            self._chunks.append(message.get("body", b""))

    def answer(self) -> Answer:
        """What was held."""
        headers = [header for header in self.headers if header[0] != b"content-length"]
        return Answer(b"".join(self._chunks), status=self.status, headers=headers)
