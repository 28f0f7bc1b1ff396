"""Connections to PostgreSQL that find out when the other end has gone without a word.

A cut link, or a machine that lost its power, closes nothing: without these options a statement would wait for its
answer for a quarter of an hour, a LISTEN for ever, and the server would keep the locks of a caller that is no more.
"""

import socket
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from moocflix.platform.database.urls import database_name, server_of
from moocflix.platform.errors import OperatorError

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:  # generic in its stubs alone
    Connection = asyncpg.Connection

LOST = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What the driver raises on a connection that is gone, or cannot be had.

InternalClientError is no fault of its own: the server's last words have come, as at a shutdown, and a statement begins
before the end of the connection is noticed.
"""

STATEMENT_FAILED = (asyncpg.PostgresError, *LOST)
"""What a statement ends in that was refused, or whose connection is gone."""

CONNECT_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
# A connection is lost after about eight seconds without any sign from the other end: nobody answers the probes, or
# acknowledges what was sent. Both ends watch, each for itself.
_LOST_MS = 8_000
_PROBE_AFTER, _PROBE_EVERY, _PROBES = 3, 2, 3

_OURS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_EVERY),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES),
    # Elsewhere than on Linux some have other names, or none.
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", _PROBE_AFTER), ("TCP_USER_TIMEOUT", _LOST_MS))
        if hasattr(socket, name)
    ),
)
_THEIRS = {
    "tcp_keepalives_idle": str(_PROBE_AFTER),
    "tcp_keepalives_interval": str(_PROBE_EVERY),
    "tcp_keepalives_count": str(_PROBES),
    "tcp_user_timeout": str(_LOST_MS),
}


async def connect(dsn: str, **server_settings: str) -> Connection:
    """A connection of one's own. Raises what asyncpg does."""
    return await asyncpg.connect(
        dsn,
        timeout=CONNECT_SECONDS,
        connection_class=_Watched,
        server_settings={"application_name": "moocflix", **_THEIRS, **server_settings},
    )


class DatabaseUnusable(OperatorError):
    """A command has been given a database that does not let it in, or is not there."""

    def __init__(self, dsn: str, error: Exception) -> None:
        where = ":".join(server_of(dsn))
        super().__init__(f"The database {database_name(dsn)} at {where} cannot be used: {str(error) or 'no answer'}.")


async def connect_for_command(dsn: str) -> Connection:
    """A connection for what somebody does by hand. Raises DatabaseUnusable.

    Without a service's short time limits: a server that takes no more rows for a while is waited for.
    """
    try:
        return await asyncpg.connect(dsn)
    except STATEMENT_FAILED as error:
        raise DatabaseUnusable(dsn, error) from error


async def hang_up(connection: Connection) -> None:
    """Close a connection as is proper, or, where that fails, all the same."""
    try:
        await connection.close(timeout=_CLOSE_SECONDS)
    except STATEMENT_FAILED:
        connection.terminate()


class _Watched(Connection):
    """Sets our end's options as soon as there is a socket to set them on."""

    __slots__ = ()

    def __init__(self, protocol: Any, transport: Any, *args: Any) -> None:
        super().__init__(protocol, transport, *args)
        end = transport.get_extra_info("socket")
        if end.family != socket.AF_UNIX:
            for level, option, value in _OURS:
                end.setsockopt(level, option, value)
