"""One LISTEN connection of a process: broadcasts from other processes on the same database."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from moocflix.platform.database.connect import STATEMENT_FAILED, connect

_RETRY_SECONDS = 1.0
_CHECK_SECONDS = 5.0

_log = structlog.get_logger()


async def listen(dsn: str, channels: Mapping[str, Callable[[str], None]]) -> None:
    """Hand each broadcast's payload to its channel's function, for ever; cancel it to end it.

    What is lost while the database is away stays lost: whoever listens also polls.
    """

    def heard(_connection: object, _pid: int, channel: str, payload: object) -> None:
        channels[channel](str(payload))

    while True:
        try:
            connection = await connect(dsn)
            try:
                for channel in channels:
                    await connection.add_listener(channel, heard)
                # asyncpg tells nobody that a connection is lost.
                while not connection.is_closed():  # noqa: ASYNC110
                    await asyncio.sleep(_CHECK_SECONDS)
            finally:
                connection.terminate()
        except STATEMENT_FAILED as error:
            _log.info("listener waits for the database", reason=type(error).__name__)
        await asyncio.sleep(_RETRY_SECONDS)
