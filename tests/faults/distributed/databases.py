"""Every service's database, read with the service's own login, past all of its code."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg

from moocflix.entrypoints.services import SERVICES
from moocflix.platform.service import Service

QUIET_SECONDS = 240.0

_UNDONE = """
SELECT (SELECT count(*) FROM {schema}.retries) AS retries,
       (SELECT count(*) FROM {schema}.dead_letters) AS dead_letters,
       (SELECT count(*) FROM {schema}.intents WHERE status NOT IN ('finished', 'undone')) AS intents,
       (SELECT count(*) FROM {schema}.jobs WHERE status <> 'done' AND name NOT IN (SELECT name FROM {schema}.schedules))
           AS jobs,
       (SELECT count(*) FROM {schema}.idempotency_keys WHERE status IS NULL) AS held_keys
"""


class Databases:
    """A connection to each."""

    def __init__(self, connections: Mapping[str, "asyncpg.Connection[Any]"]) -> None:
        """By service."""
        self._connections = connections

    async def rows(self, service: str, sql: str, *args: Any) -> list[Any]:
        """Tables are to be named with their schema, which is the service's name."""
        found: list[Any] = await self._connections[service].fetch(sql, *args)
        return found

    async def table(self, service: str, sql: str) -> dict[Any, tuple[Any, ...]]:
        """The rows by their first column; ids as text, as answers have them."""
        rows = [tuple(row.values()) for row in await self.rows(service, sql)]
        return {str(row[0]): row[1:] for row in rows}

    async def undone(self) -> list[str]:
        """What is still to be done somewhere: events to take in, retries, jobs, intents."""
        found = []
        for service in SERVICES:
            (row,) = await self.rows(service.name, _UNDONE.format(schema=service.name))
            found += [f"{service.name} has {number} {what}" for what, number in row.items() if number]
            for source, topics in _followed(service).items():
                said = await self._count(source, f"SELECT count(*) FROM {source}.outbox WHERE topic = ANY ($1)", topics)
                taken = await self._count(
                    service.name, f"SELECT count(*) FROM {service.name}.inbox WHERE topic = ANY ($1)", topics
                )
                if said != taken:
                    found.append(f"{service.name} has taken in {taken} of {said} events of {source}")
        return found

    async def quiet(self) -> list[str]:
        """Wait until nothing is left to do; what still is, where that does not come to an end."""
        deadline = time.monotonic() + QUIET_SECONDS
        while (undone := await self.undone()) and time.monotonic() < deadline:
            await asyncio.sleep(0.5)
        return undone

    async def _count(self, service: str, sql: str, topics: list[str]) -> int:
        (row,) = await self.rows(service, sql, topics)
        return int(row[0])


def _followed(service: Service) -> dict[str, list[str]]:
    followed: dict[str, set[str]] = {}
    for reaction in service.reactions:
        followed.setdefault(reaction.topic.source, set()).add(reaction.topic.name)
    return {source: sorted(topics) for source, topics in followed.items()}


@asynccontextmanager
async def connected(urls: Mapping[str, str]) -> AsyncIterator[Databases]:
    """The databases at these addresses, by service."""
    async with AsyncExitStack() as stack:
        connections = {}
        for service, url in urls.items():
            connections[service] = await asyncpg.connect(url)
            stack.push_async_callback(connections[service].close)
        yield Databases(connections)
