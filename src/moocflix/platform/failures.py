"""What may be said about a failure: where and what, never a value that the failing code had in hand."""

import traceback

import asyncpg
import msgspec

from moocflix.platform.errors import CopyMissing, Refusal, Unavailable

_LIMIT = 500

# Trying again may help, and it is nobody's fault: no try is spent.
AWAY = (
    Unavailable,
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InsufficientResourcesError,  # connections, memory, or the disk
    asyncpg.TransactionRollbackError,
)

# The platform's own statements are short: one that takes too long waits for a disk, or for a lock of a frozen process.
HINDERED = (*AWAY, asyncpg.QueryCanceledError)


def describe(error: BaseException) -> str:
    """One line for the operator.

    Texts of unknown exceptions may quote anything (an address, a token), and so may the DETAIL line of PostgreSQL's;
    both are left out. The place in our code stands in for them.
    """
    return f"{type(error).__name__}{_said(error)} at {_place(error)}"[:_LIMIT]


def _said(error: BaseException) -> str:
    if isinstance(error, asyncpg.PostgresError):
        return f" ({error.sqlstate}): {error.args[0]}"
    if isinstance(error, Refusal | CopyMissing | msgspec.ValidationError | msgspec.DecodeError):
        return f": {error}"
    return ""


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "an unknown place"
    ours = [frame for frame in frames if "site-packages" not in frame.filename] or list(frames)
    folder, _, file = ours[-1].filename.rpartition("/")
    return f"{folder.rpartition('/')[2]}/{file}:{ours[-1].lineno} ({ours[-1].name})"
