"""Calls between services: typed, with a time limit, a service token, careful retries and a circuit breaker.

Only headers cross: the callee runs in a context of its own, in this process as in another.
"""

import asyncio
import contextvars
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic
from typing import Any, TypeVar

import httpx
import msgspec

from moocflix.platform.auth.service_tokens import ServiceTokenSigner
from moocflix.platform.database.transaction import in_transaction
from moocflix.platform.errors import Detail, NotFound, Refusal, TooMany, Unavailable, refusal_of
from moocflix.platform.spans import below
from moocflix.platform.trace import current_trace

T = TypeVar("T")

TIME_LIMIT = 3.0
_TRIES = 3
_FIRST_PAUSE = 0.05
_FAILURES_TO_OPEN = 5
_OPEN_SECONDS = 5.0
_BAD_GATEWAYS = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}


class _Failure(msgspec.Struct, rename="camel"):
    message: str = "refused"
    details: list[Detail] = []


class _Error(msgspec.Struct):
    error: _Failure


class _Data(msgspec.Struct):
    data: msgspec.Raw


@dataclass
class Breaker:
    """Stops asking a service that keeps failing, and lets one call try again after a while."""

    open_seconds: float = _OPEN_SECONDS
    failures: int = 0
    open_until: float = 0.0

    def check(self, service: str) -> None:
        """Raises Unavailable while the service is left alone."""
        if self.failures < _FAILURES_TO_OPEN:
            return
        if monotonic() < self.open_until:
            raise Unavailable(f"The {service} service is away.", retry_after=math.ceil(self.open_seconds))
        # This call tries again; until it has an answer, all others are still refused.
        self.open_until = monotonic() + self.open_seconds

    def failed(self) -> None:
        """Count a failure."""
        self.failures += 1
        self.open_until = monotonic() + self.open_seconds

    def succeeded(self) -> None:
        """It answers again."""
        self.failures = 0


class InternalClient:
    """Calls to one service from another."""

    def __init__(self, http: httpx.AsyncClient, *, target: str, signer: ServiceTokenSigner) -> None:
        """`http` has the target's base address; `signer` speaks for the calling service."""
        self._http = http
        self._target = target
        self._signer = signer
        self._breaker = Breaker()

    async def get(self, path: str, *, reply: type[T], query: Mapping[str, Any] | None = None) -> T:
        """The reply as a `T`. Raises a Refusal, or Unavailable."""
        return await self._call("GET", path, reply=reply, query=query, body=None, idempotent=True)

    async def find(self, path: str, *, reply: type[T]) -> T | None:
        """The same, or None where there is no such thing."""
        try:
            return await self.get(path, reply=reply)
        except NotFound:
            return None

    async def post(self, path: str, body: Any = None, *, reply: type[T], idempotent: bool = False) -> T:
        """The reply as a `T`; tried again only where the route is idempotent. Raises a Refusal, or Unavailable."""
        return await self._call("POST", path, reply=reply, query=None, body=body, idempotent=idempotent)

    async def _call(
        self, method: str, path: str, *, reply: type[T], query: Mapping[str, Any] | None, body: Any, idempotent: bool
    ) -> T:
        if in_transaction():
            raise RuntimeError(f"{method} {path} of {self._target} while a transaction is open")
        self._breaker.check(self._target)
        pause = _FIRST_PAUSE
        for tries_left in reversed(range(_TRIES if idempotent else 1)):
            try:
                response = await self._send(method, path, query, body)
            except (httpx.HTTPError, TimeoutError) as error:
                self._breaker.failed()
                # One that takes all of its time hangs: asking it again only makes the caller wait longer.
                if not tries_left or isinstance(error, TimeoutError):
                    raise Unavailable(f"The {self._target} service is away.") from None
            else:
                if response.status_code not in _BAD_GATEWAYS or not tries_left:
                    return self._read(response, reply)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter needs no secrecy
            pause *= 3
        raise AssertionError

    async def _send(self, method: str, path: str, query: Mapping[str, Any] | None, body: Any) -> httpx.Response:
        span = below(f"{method} {self._target}", current_trace(), kind="client")
        trace = current_trace() if span is None else span.trace
        headers = {
            "authorization": f"Bearer {self._signer.token(audience=self._target)}",
            "x-correlation-id": trace.correlation_id,
        }
        if trace.traceparent:
            headers["traceparent"] = trace.traceparent
        content = None
        if body is not None:
            headers["content-type"] = "application/json"
            content = msgspec.json.encode(body)
        # Empty parameters would make the client drop a query that stands in the path.
        parameters = {name: str(value) for name, value in (query or {}).items() if value is not None} or None
        status = 0
        try:
            async with asyncio.timeout(TIME_LIMIT):
                response = await self._http.request(method, path, params=parameters, headers=headers, content=content)
            status = response.status_code
            return response
        finally:
            if span is not None:
                failed = not 0 < status < HTTPStatus.INTERNAL_SERVER_ERROR
                span.end(failed=failed, server_address=self._target, url_path=path, http_response_status=status)

    def _read(self, response: httpx.Response, reply: type[T]) -> T:
        status = response.status_code
        if status < HTTPStatus.BAD_REQUEST:
            self._breaker.succeeded()
            data = msgspec.json.decode(response.content, type=_Data).data
            return msgspec.json.decode(data, type=reply)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._breaker.failed()
            raise Unavailable(f"The {self._target} service cannot answer.")
        self._breaker.succeeded()
        raise _refusal(response)


def _refusal(response: httpx.Response) -> Refusal:
    try:
        failure = msgspec.json.decode(response.content, type=_Error).error
    except msgspec.MsgspecError:
        failure = _Failure()
    if response.status_code == TooMany.status:
        return TooMany(failure.message, retry_after=int(response.headers.get("retry-after", "1")))
    return refusal_of(response.status_code, failure.message, details=tuple(failure.details))


class InMemoryTransport(httpx.AsyncBaseTransport):
    """Hands requests to an ASGI application of this process as if it were another one.

    The application runs in a task and a context of its own: a caller that gives up does not cancel it.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        """`app` is the edge of the internal routes."""
        self._app = app
        self._running: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Run the request through the application."""
        body = await request.aread()
        answered: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()
        exchange = _Exchange(body, answered)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": request.url.path,
            "raw_path": request.url.raw_path,
            "query_string": request.url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "server": ("internal", 0),
            "client": ("internal", 0),
        }
        task = asyncio.get_running_loop().create_task(
            self._app(scope, exchange.receive, exchange.send), context=contextvars.Context()
        )
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(exchange.ended)
        return await asyncio.shield(answered)


class _Exchange:
    def __init__(self, body: bytes, answered: asyncio.Future[httpx.Response]) -> None:
        self._body = body
        self._answered = answered
        self._status = 500
        self._headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []

    async def receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], message["headers"]
            return
        self._chunks.append(message.get("body", b""))
        if not message.get("more_body") and not self._answered.done():
            content = b"".join(self._chunks)
            self._answered.set_result(httpx.Response(self._status, headers=self._headers, content=content))

    def ended(self, task: asyncio.Task[None]) -> None:
        if not self._answered.done():
            error = None if task.cancelled() else task.exception()
            self._answered.set_exception(httpx.ReadError(f"no answer: {error!r}"))
