"""How many connections the processes of one machine may open together, and whether the server allows as many."""

import asyncpg

from moocflix.platform.settings import DatabaseSettings, Settings, SettingsError

_OF_A_PROCESS = 4
"""Beside the pools: the bus, LISTEN, wake-ups and the system's own."""
_SPARE = 10
"""For people, backups and PostgreSQL's superuser."""


def most_connections(settings: Settings, *, services: int, processes: int) -> int:
    """What so many processes with all these services open at the most."""
    pools = services * settings.of(DatabaseSettings).pool_size
    return processes * (pools + _OF_A_PROCESS) + _SPARE


async def check_budget(url: str, *, needed: int) -> None:
    """Refuse a server that allows fewer connections than are needed. Raises SettingsError."""
    connection = await asyncpg.connect(url)
    try:
        allowed = int(await connection.fetchval("SHOW max_connections"))
    finally:
        await connection.close()
    if allowed < needed:
        message = (
            f"The database server allows {allowed} connections and up to {needed} may be needed: raise its "
            "max_connections, or lower MOOCFLIX_DATABASE_POOL_SIZE."
        )
        raise SettingsError(message)
