"""Pages of a list: by keyset, never by offset, with an opaque cursor.

A cursor is the sort values of a page's last row, in base64url. It is not signed: what it names is only where to
start, and every query checks for itself what the caller may see.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from litestar.params import QueryParameter

from moocflix.platform.errors import Invalid

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="How many at most.")]
Cursor = Annotated[str | None, QueryParameter(max_length=1024, description="`nextCursor` of the page before.")]

T = TypeVar("T")

_MESSAGE = "This is not a cursor of this list."


def cursor_of(*values: Any) -> str:
    """The cursor that names the row with these sort values."""
    return urlsafe_b64encode(msgspec.json.encode(values)).rstrip(b"=").decode()


def next_cursor(rows: Sequence[T], limit: int, place: Callable[[T], tuple[Any, ...]]) -> str | None:
    """The cursor of the page that follows; `rows` are this one's, and one more where another page follows.

    `place` gives a row's sort values.
    """
    return cursor_of(*place(rows[limit - 1])) if len(rows) > limit else None


def read_cursor(cursor: str | None, types: Sequence[Any]) -> tuple[Any, ...] | None:
    """The sort values that a cursor names, or None without one. Raises Invalid."""
    if cursor is None:
        return None
    try:
        data = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        values: tuple[Any, ...] = msgspec.json.decode(data, type=tuple[tuple(types)])  # type: ignore[misc]
    except (Base64Error, UnicodeError, ValueError, msgspec.MsgspecError):
        raise Invalid(_MESSAGE, field="cursor") from None
    # PostgreSQL's text cannot hold it.
    if any(isinstance(value, str) and "\x00" in value for value in values):
        raise Invalid(_MESSAGE, field="cursor")
    return values


def read_id(cursor: str | None) -> UUID | None:
    """The id that a cursor of a list by id names, or None without one. Raises Invalid."""
    place = read_cursor(cursor, (UUID,))
    return None if place is None else place[0]
