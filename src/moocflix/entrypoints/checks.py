"""What `/health/ready` looks at in a process."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.events.unsent import late
from moocflix.platform.health import Check
from moocflix.platform.service import Service, ServiceContext
from moocflix.platform.settings import Settings


def of_databases(contexts: Mapping[str, ServiceContext]) -> dict[str, Check]:
    """Without these the process cannot serve."""

    def database_of(context: ServiceContext) -> Check:
        async def check() -> None:
            await context.database.reader.fetchval("SELECT 1")

        return check

    return {f"database of {name}": database_of(context) for name, context in contexts.items()}


def of_services(
    settings: Settings, services: Sequence[Service], contexts: Mapping[str, ServiceContext]
) -> dict[str, Check]:
    """What the services themselves want looked at, and whether their events leave."""
    checks: dict[str, Check] = {}
    for service in services:
        if settings.of(EventsSettings).bus != "postgres":
            checks[f"events of {service.name}"] = partial(late, contexts[service.name])
        for part in service.health:
            checks[f"{service.name} {part.name}"] = _bound(part.check, contexts[service.name])
    return checks


def _bound(check: Callable[[ServiceContext], Any], context: ServiceContext) -> Check:
    async def ask() -> str | None:
        fault: str | None = await check(context)
        return fault

    return ask
