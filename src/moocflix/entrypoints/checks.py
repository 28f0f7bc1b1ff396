"""What `/health/ready` looks at in a process, and whom it asks."""

from collections.abc import Mapping
from functools import partial

from moocflix.platform.client import InternalClient
from moocflix.platform.events.settings import EventsSettings
from moocflix.platform.events.unsent import late
from moocflix.platform.health import Check, Look, Report
from moocflix.platform.service import ServiceContext
from moocflix.platform.settings import Settings


def of_databases(contexts: Mapping[str, ServiceContext]) -> dict[str, Check]:
    """Without these the process cannot serve."""

    def database_of(context: ServiceContext) -> Check:
        async def check() -> None:
            await context.database.reader.fetchval("SELECT 1")

        return check

    return {f"database of {name}": database_of(context) for name, context in contexts.items()}


def of_outboxes(settings: Settings, contexts: Mapping[str, ServiceContext]) -> dict[str, Check]:
    """Whether the services' events leave, where a relay has to send them."""
    if settings.of(EventsSettings).bus == "postgres":
        return {}
    return {f"events of {name}": partial(late, context) for name, context in contexts.items()}


def of_neighbours(clients: Mapping[str, InternalClient]) -> dict[str, Look]:
    """How the processes of other services are, asked over their internal routes."""
    return {name: partial(client.get, "/internal/health", reply=Report) for name, client in clients.items()}
