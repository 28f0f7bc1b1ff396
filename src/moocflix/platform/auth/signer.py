"""The key that signs access tokens now, as the process that issues them knows it."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from moocflix.platform.auth.tokens import AccessTokenSigner


class CurrentSigner:
    """Asks for the signer every so often, so that a rotation by another process comes into use here."""

    def __init__(self, load: Callable[[], Awaitable[AccessTokenSigner]], *, seconds: float = 5.0) -> None:
        """`load` finds the key that signs now."""
        self._load = load
        self._seconds = seconds
        self._signer: AccessTokenSigner | None = None
        self._loaded_at = float("-inf")
        self._loading = asyncio.Lock()

    async def get(self) -> AccessTokenSigner:
        """The signer. To be asked for before a transaction opens: it may take a connection of its own."""
        if self._signer is None or monotonic() - self._loaded_at > self._seconds:
            async with self._loading:
                if self._signer is None or monotonic() - self._loaded_at > self._seconds:
                    self._signer = await self._load()
                    self._loaded_at = monotonic()
        return self._signer

    def forget(self) -> None:
        """Ask anew for the next token: the key was changed."""
        self._signer = None
