"""Refusals: what a caller is told when something is not done; and faults that a person at the command line can mend.

A refusal's kind alone knows its status. Each refusal of a service is a subclass beside the code that raises it
and builds its own sentence.
"""

from typing import ClassVar
from uuid import UUID

import msgspec


class Detail(msgspec.Struct, frozen=True):
    """Which field of the input is at fault, and why."""

    field: str
    message: str


class Refusal(Exception):
    """The base of all refusals.

    `keeps_writes` is for the few that must leave a trace (the reuse of a token, a failed login): the transaction
    commits all the same.
    """

    status: ClassVar[int]
    keeps_writes: ClassVar[bool] = False

    def __init__(self, message: str, *, field: str | None = None, details: tuple[Detail, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = details if field is None else (Detail(field=field, message=message), *details)

    def headers(self) -> dict[str, str]:
        """Headers that the answer carries beside the envelope."""
        return {}


class Invalid(Refusal):
    """The input is wrong; `field` names where."""

    status = 400


class Unauthorized(Refusal):
    """No token, or one that does not count."""

    status = 401

    def headers(self) -> dict[str, str]:
        """The challenge that RFC 9110 asks for."""
        return {"www-authenticate": "Bearer"}


class PaymentNeeded(Refusal):
    """It costs something that has not been paid, or the payment was declined."""

    status = 402


class Forbidden(Refusal):
    """The caller may see it, but not do this."""

    status = 403


class NotFound(Refusal):
    """It is not there, or not the caller's to know of."""

    status = 404


class WrongMethod(Refusal):
    """The path is there, the method is not."""

    status = 405

    def __init__(self, method: str, *, allowed: list[str]) -> None:
        super().__init__(f"{method} is not served here.")
        self.allowed = allowed

    def headers(self) -> dict[str, str]:
        """The methods that are, as RFC 9110 asks."""
        return {"allow": ", ".join(self.allowed)}


class TooSlow(Refusal):
    """What was announced does not come."""

    status = 408


class Conflict(Refusal):
    """It does not fit the present state."""

    status = 409


class Stale(Refusal):
    """`If-Match` names a version that is no longer the present one."""

    status = 412

    def __init__(
        self, message: str = "This has changed since you read it; read it again.", *, details: tuple[Detail, ...] = ()
    ) -> None:
        super().__init__(message, details=details)


class TooLarge(Refusal):
    """More bytes than are taken here."""

    status = 413


class UnsupportedMedia(Refusal):
    """A media type, or content, that is not taken here."""

    status = 415


class RangeUnsatisfiable(Refusal):
    """A byte range outside the file, whose `size` is in bytes (RFC 9110, section 14)."""

    status = 416

    def __init__(self, size: int) -> None:
        super().__init__(f"The range lies outside the file's {size} bytes.")
        self.size = size

    def headers(self) -> dict[str, str]:
        """The file's size, as RFC 9110 asks."""
        return {"content-range": f"bytes */{self.size}"}


class _Later(Refusal):
    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def headers(self) -> dict[str, str]:
        """When to come again, in seconds."""
        return {"retry-after": str(self.retry_after)}


class TooMany(_Later):
    """More requests than this caller may make; `retry_after` in seconds."""

    status = 429

    def __init__(self, message: str = "Too many requests.", *, retry_after: int) -> None:
        super().__init__(message, retry_after=retry_after)


class Unavailable(_Later):
    """A part that this needs is down; `retry_after` in seconds."""

    status = 503

    def __init__(self, message: str = "A part that this needs is down.", *, retry_after: int = 2) -> None:
        super().__init__(message, retry_after=retry_after)


_OF_THE_CALLER = {kind.status: kind for kind in (Invalid, PaymentNeeded, Forbidden, NotFound, Conflict, Stale)}


def refusal_of(status: int, message: str, *, details: tuple[Detail, ...] = ()) -> Refusal:
    """What another service's final refusal is here: the same where it is about what the caller wants.

    Any other status is about how we asked, which is no caller's fault: that part does not work.
    """
    kind = _OF_THE_CALLER.get(status)
    return Unavailable(message) if kind is None else kind(message, details=details)


class OperatorError(Exception):
    """The base of what the person who ran a command can do something about; the text is a sentence for them."""


class CopyMissing(Exception):
    """A local copy is not there, or says no where its owner may say yes by now: the edge asks it and tries again.

    Where the owner says no as well, its answer is the refusal.
    """

    def __init__(self, entity: str, entity_id: UUID) -> None:
        """`entity` is that of a Copy of the service."""
        super().__init__(f"no copy of {entity} {entity_id}")
        self.entity = entity
        self.entity_id = entity_id
