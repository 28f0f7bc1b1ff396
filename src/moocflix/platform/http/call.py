"""One request on its way through the edge: what the steps find out and the handler asks for."""

from typing import TYPE_CHECKING, Any, cast
from uuid import NAMESPACE_URL, UUID, uuid5

from litestar.types import HTTPScope, Receive, Send

from moocflix.platform.auth.principal import Principal, ServicePrincipal
from moocflix.platform.database.transaction import Tx
from moocflix.platform.http.incoming import Incoming
from moocflix.platform.http.routes import Route
from moocflix.platform.ids import new_id
from moocflix.platform.trace import Trace

if TYPE_CHECKING:
    # By name only: an endpoint is what a call is made to.
    from moocflix.platform.http.endpoint import Endpoint
    from moocflix.platform.http.idempotency import KeyedCall
    from moocflix.platform.service import ServiceContext

CALL = "moocflix.call"
"""Where a scope names its call, while the handler runs."""


class Call:
    """The state of one request; the edge makes it, each step adds what it found; `call_of` finds it by the scope."""

    __slots__ = (
        "_operation_id",
        "body",
        "client_address",
        "context",
        "endpoint",
        "headers",
        "idempotency_key",
        "incoming",
        "keyed",
        "limits",
        "method",
        "path",
        "principal",
        "receive",
        "route",
        "scope",
        "send",
        "shared",
        "template",
        "trace",
        "tx",
    )

    endpoint: "Endpoint"
    route: Route
    context: "ServiceContext"
    trace: Trace

    def __init__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Header names are lower case; of a name sent twice the last counts. `incoming` is there where a body is."""
        self.scope = scope
        self.receive = receive
        self.send = send
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.incoming: Incoming | None = None
        if self.headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in self.headers:
            self.receive = self.incoming = Incoming(receive)
        self.template = ""
        self.client_address = ""
        self.principal: Principal | ServicePrincipal | None = None
        self.idempotency_key: str | None = None
        self.keyed: KeyedCall | None = None
        self.body = b""
        self.tx: Tx | None = None
        self.shared = False
        self.limits: list[tuple[bytes, bytes]] = []
        self._operation_id: UUID | None = None

    def lead_to(self, endpoint: "Endpoint") -> None:
        """This is what answers the call."""
        self.endpoint, self.route, self.context = endpoint, endpoint.route, endpoint.context
        self.template = endpoint.template

    @property
    def is_routed(self) -> bool:
        """Whether a route was found."""
        return hasattr(self, "route")

    def header(self, name: bytes) -> str | None:
        """A header's value, by its name in lower case."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def operation_id(self) -> UUID:
        """An id for what this request does: the same for a repeat under the same idempotency key."""
        if self._operation_id is None:
            self._operation_id = self._name_operation()
        return self._operation_id

    def _name_operation(self) -> UUID:
        if self.idempotency_key is None or not isinstance(self.principal, Principal):
            return new_id()
        return uuid5(NAMESPACE_URL, f"{self.principal.id} {self.method} {self.path} {self.idempotency_key}")


def call_of(scope: HTTPScope) -> Call:
    """The call that a scope belongs to."""
    call: Call = cast("dict[str, Any]", scope)[CALL]
    return call
