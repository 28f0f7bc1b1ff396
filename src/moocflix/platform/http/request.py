"""The request as handlers see it: the framework's, with the edge's findings typed."""

import re
from datetime import datetime
from typing import Any
from uuid import UUID

import litestar
import msgspec

from moocflix.platform.auth.access import NotSignedIn
from moocflix.platform.auth.principal import Principal
from moocflix.platform.clock import utc_now
from moocflix.platform.database.transaction import Reader, Tx
from moocflix.platform.errors import Detail, Invalid
from moocflix.platform.http.call import Call, call_of
from moocflix.platform.http.reply import Answer
from moocflix.platform.service import ServiceContext
from moocflix.platform.versions import IfMatch, read_if_match

_PLACE = re.compile(r" - at `\$\.?(?P<field>[^`]*)`\Z")
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`")


class Request(litestar.Request[Any, Any, Any]):
    """A request whose token, limits and transaction the edge has seen to."""

    __slots__ = ("call",)

    def __init__(self, scope: Any, receive: Any = None, send: Any = None) -> None:
        """As the framework calls it."""
        super().__init__(scope, receive, send)
        self.call: Call = call_of(scope)

    @property
    def caller(self) -> Principal:
        """Who calls. Raises Unauthorized where nobody is signed in."""
        principal = self.call.principal
        if not isinstance(principal, Principal):
            raise NotSignedIn
        return principal

    @property
    def maybe_caller(self) -> Principal | None:
        """Who calls, or None, on routes that anyone may call."""
        principal = self.call.principal
        return principal if isinstance(principal, Principal) else None

    @property
    def context(self) -> ServiceContext:
        """What the service gets from its process."""
        return self.call.context

    @property
    def db(self) -> Reader:
        """Reads, each one a statement that commits by itself; within a write's transaction, part of it."""
        return self.call.tx or self.call.context.database.reader

    @property
    def tx(self) -> Tx:
        """The transaction of this write; the edge commits it with the answer."""
        if self.call.tx is None:
            raise RuntimeError(f"{self.call.method} {self.call.template} declares no transaction")
        return self.call.tx

    @property
    def now(self) -> datetime:
        """The present moment."""
        return utc_now()

    @property
    def client_address(self) -> str:
        """Where the request comes from; a forwarded address only from a trusted proxy."""
        return self.call.client_address

    @property
    def operation_id(self) -> UUID:
        """An id for what this request does, the same when it is repeated under its idempotency key."""
        return self.call.operation_id

    async def keep_answer(self, tx: Tx, answer: Answer) -> None:
        """Store the answer with work that no transaction of the edge holds, where the caller has sent a key for it.

        In the transaction of the work: a crash leaves both or neither, and the key's next request knows. Raises
        Conflict where that has done the work meanwhile.
        """
        if self.call.keyed is not None:
            await self.call.keyed.keep(tx, answer)

    def if_match(self) -> IfMatch:
        """The versions that the caller would write over; None without `If-Match` or with `*`. Raises Invalid."""
        return read_if_match(self.call.header(b"if-match"))

    def share(self) -> None:
        """Say that this answer is the same for every caller, so that its bytes may be kept for a moment."""
        self.call.shared = True

    async def body(self) -> bytes:
        """The body, which the edge has read; empty where the handler streams it."""
        return self.call.body

    async def json(self) -> Any:
        """The body as the handler's `data` type. Raises Invalid, naming the field."""
        decoder = self.call.route.decoder
        if decoder is None:
            return msgspec.json.decode(self.call.body)
        return decode_body(decoder, self.call.body)


def decode_body(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """Decode and check a JSON body. Raises Invalid, naming the field and why."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = error.reason if isinstance(error, UnicodeDecodeError) else str(error)
        raise Invalid(f"The body is not JSON: {reason}.", field="body") from None


def _invalid(text: str) -> Invalid:
    place = _PLACE.search(text)
    reason = text[: place.start()] if place else text
    field = place["field"] if place else ""
    missing = _MISSING.match(reason)
    if missing:
        field = f"{field}.{missing['field']}" if field else missing["field"]
        reason = "This field is required"
    field = field or "body"
    return Invalid(f"{field}: {reason}.", details=(Detail(field=field, message=f"{reason}."),))
