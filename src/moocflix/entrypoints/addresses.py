"""Where the other services answer, for a process that does not serve them all."""

from collections.abc import Callable, Iterable
from typing import Any

import httpx

from moocflix.entrypoints.settings import ServiceSettings
from moocflix.platform.client import InMemoryTransport
from moocflix.platform.settings import Settings, SettingsError

_CONNECT_SECONDS = 1.0
_KEEP_CONNECTIONS = 20


class ServiceClients:
    """How to reach each service: in this process, or at its address."""

    def __init__(self, settings: Settings, *, here: Iterable[str], internal: Callable[..., Any]) -> None:
        """The services of `here` are asked in memory, through the application `internal`."""
        self._addresses = settings.of(ServiceSettings)
        self._here = frozenset(here)
        self._near = httpx.AsyncClient(transport=InMemoryTransport(internal), base_url="http://internal")
        self._far: dict[str, httpx.AsyncClient] = {}

    def client(self, name: str) -> httpx.AsyncClient:
        """An HTTP client whose base address is that service's."""
        url = self._addresses.url(name)
        if name in self._here or not url:
            return self._near
        if name not in self._far:
            self._far[name] = httpx.AsyncClient(
                base_url=url,
                timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),
                limits=httpx.Limits(max_keepalive_connections=_KEEP_CONNECTIONS, keepalive_expiry=30),
                # What the machine's environment says of proxies is not meant for these calls.
                trust_env=False,
            )
        return self._far[name]

    async def close(self) -> None:
        """Close all connections."""
        for client in (self._near, *self._far.values()):
            await client.aclose()


def check_addresses(settings: Settings, *, here: Iterable[str], services: Iterable[str]) -> None:
    """Refuse to start where a service is neither here nor anywhere. Raises SettingsError."""
    addresses, own = settings.of(ServiceSettings), frozenset(here)
    missing = [name for name in services if name not in own and not addresses.url(name)]
    if missing:
        variables = ", ".join(f"MOOCFLIX_SERVICE_{name.upper()}_URL" for name in missing)
        raise SettingsError(f"This process does not serve {', '.join(missing)}: say where they are with {variables}.")
