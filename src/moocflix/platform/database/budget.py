"""How many connections the processes of one machine may open together, and whether the server allows as many."""

import asyncpg

from moocflix.platform.settings import DatabaseSettings, Settings, SettingsError

_BESIDE = 4
"""Of a process, for each database: the bus, LISTEN, wake-ups and the system's own."""
_SPARE = 10
"""For people, backups and PostgreSQL's superuser."""


def most_connections(settings: Settings, *, pools: int, databases: int) -> int:
    """What processes open at the most that have so many pools together; `databases` counts those of each of them."""
    return pools * settings.of(DatabaseSettings).pool_size + databases * _BESIDE + _SPARE


async def check_budget(url: str, *, needed: int) -> None:
    """Refuse a server that allows fewer connections than are needed. Raises SettingsError."""
    connection = await asyncpg.connect(url)
    try:
        allowed = int(await connection.fetchval("SHOW max_connections"))
    finally:
        await connection.close()
    if allowed < needed:
        raise SettingsError(
            f"The database server allows {allowed} connections and up to {needed} may be needed: raise its "
            "max_connections, or lower MOOCFLIX_DATABASE_POOL_SIZE."
        )
