"""A relay as a process of its own, to be frozen: `python -m tests.distributed.relay_process ADMIN KEY …`.

The rest of its arguments are settings, NAME=VALUE.
"""

import asyncio
import sys

from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.process import die_with_parent
from tests.distributed.bus_office import BusOffice, Carrier
from tests.platform.post_office import PostOffice, archive


async def relay(urls: DatabaseUrls, values: dict[str, str]) -> None:
    """Relay until killed."""
    carrier = Carrier(values, None)
    bus = BusOffice(PostOffice(urls, carrier.settings), carrier)
    await bus.relay(archive()).run(asyncio.Event())


if __name__ == "__main__":
    die_with_parent()
    _, admin, key, *rest = sys.argv
    values = dict(each.split("=", 1) for each in rest)
    asyncio.run(relay(DatabaseUrls(admin=admin, key=bytes.fromhex(key)), values))
