"""The edge: one ASGI layer around the framework that does, step by step, all that every request needs.

Correlation, route, token, limit, access, byte cache, body, idempotency, transaction, headers, log, metrics. The
answer is held until the transaction has committed; where the commit fails, the edge answers for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from time import perf_counter
from typing import Any, cast

import asyncpg
from litestar import Litestar
from litestar.exceptions import LitestarException, MethodNotAllowedException, NotFoundException, ValidationException
from litestar.types import HTTPScope
from litestar.utils import normalize_path
from litestar.utils.scope.state import ScopeState

from moocflix.platform.auth.principal import Principal
from moocflix.platform.cache.limiter import Limiter
from moocflix.platform.clock import utc_now
from moocflix.platform.errors import Invalid, NotFound, Refusal, TooMany, WrongMethod
from moocflix.platform.http import headers as head
from moocflix.platform.http.address import client_address
from moocflix.platform.http.body import read_body
from moocflix.platform.http.byte_cache import ByteCache
from moocflix.platform.http.call import Call
from moocflix.platform.http.held import HeldAnswer
from moocflix.platform.http.idempotency import read_key
from moocflix.platform.http.identify import Identify
from moocflix.platform.http.invalid import invalid_parameters
from moocflix.platform.http.reply import HEAD_ONLY, Answer, Headers, error_answer, fault_answer
from moocflix.platform.http.routes import route_of
from moocflix.platform.http.writes import BeforeStream, FillCopy, Outcome, Writes, translate
from moocflix.platform.logs import RequestLine, log, log_request
from moocflix.platform.metrics import Metrics
from moocflix.platform.service import ServiceContext
from moocflix.platform.settings import HttpSettings
from moocflix.platform.spans import Span
from moocflix.platform.spans import begin as begin_span
from moocflix.platform.trace import set_trace, trace_of

WINDOW = 60
"""Seconds over which requests are counted."""


@dataclass(frozen=True, kw_only=True)
class EdgeParts:
    """What the edge works with."""

    settings: HttpSettings
    contexts: Mapping[str, ServiceContext]
    identify: Identify
    limiter: Limiter
    byte_cache: ByteCache
    metrics: Metrics
    fill_copy: FillCopy
    fingerprint_secret: bytes
    internal: bool = False
    """Whether this listener serves `/internal/`, and it alone."""
    secure: bool = False
    """Whether users come over HTTPS."""


class Edge:
    """The ASGI application that the server runs."""

    def __init__(self, app: Litestar, parts: EdgeParts) -> None:
        """`app` holds the services' routes; each handler's `opt` names its service."""
        self._app = app
        self._parts = parts
        self._find = app.asgi_router.handle_routing
        self._writes = Writes(self._handle, fill_copy=parts.fill_copy, secret=parts.fingerprint_secret)
        settings = parts.settings
        self._limits = {"api": settings.api_limit, "auth": settings.auth_limit, "media": settings.media_limit}
        self._methods: dict[str, list[str]] = {
            route.path_format: sorted(route.methods) for route in app.routes if hasattr(route, "methods")
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, or the process's start and stop."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        call = Call(cast("HTTPScope", scope), receive, send)
        call.trace = trace_of(call.header(b"x-correlation-id"), call.header(b"traceparent"))
        span = begin_span(call.method, call.trace, kind="server")
        if span is not None:
            call.trace = span.trace
        set_trace(call.trace)
        outcome = await self._outcome(call)
        if isinstance(outcome, Answer):
            await self._send(call, outcome)
        self._record(call, outcome.status, perf_counter() - started)
        if span is not None:
            _end(span, call, outcome.status)

    async def _outcome(self, call: Call) -> Outcome:
        try:
            return await self._answer(call)
        except Refusal as refusal:
            return error_answer(refusal)
        except ValidationException as error:
            return error_answer(invalid_parameters(error))
        except LitestarException as error:
            return error_answer(Invalid(str(error), field="request"))
        except Exception as error:  # noqa: BLE001 - the edge of the process: nothing gets past it
            translated = translate(error)
            if translated is None or isinstance(error, asyncpg.IntegrityConstraintViolationError):
                log.error("request failed", method=call.method, route=call.template, exc_info=error)
            return fault_answer() if translated is None else error_answer(translated)

    async def _answer(self, call: Call) -> Outcome:
        parts = self._parts
        call.client_address = client_address(call, trusted=parts.settings.trusted_proxies)
        self._route(call)
        if call.method == "OPTIONS":
            return Answer(b"", status=204, headers=[(b"allow", ", ".join(self._methods[call.template]).encode())])
        try:
            await parts.identify(call)
        finally:
            # A token that does not count is counted too, so that nobody guesses for free.
            await self._limit(call)
        call.route.who.check(call.principal)
        return await self._kept(call) or await self._fresh(call)

    def _route(self, call: Call) -> None:
        # Before anything asks what the path is: `//internal/users` is one of the internal paths, too.
        call.path = path = normalize_path(call.path)
        if path.startswith("/internal/") != self._parts.internal:
            raise NothingHere
        if "\x00" in path or b"%00" in call.scope["query_string"]:
            message = "The address holds a NUL character."
            raise Invalid(message, field="path" if "\x00" in path else "query")
        method = "GET" if call.method == "HEAD" else call.method
        try:
            call.app, handler, path, params, call.template = self._find(path=path, method=method)
        except NotFoundException:
            raise NothingHere from None
        except MethodNotAllowedException:
            template = self._find(path=path, method="OPTIONS")[4]
            raise WrongMethod(call.method, allowed=self._methods.get(template, [])) from None
        cast("dict[str, Any]", call.scope).update(
            {
                "path": path,
                "path_params": params,
                "method": method,
                "route_handler": handler,
                "litestar_app": self._app,
                "app": self._app,
                HEAD_ONLY: call.method == "HEAD",
            }
        )
        call.scope.setdefault("state", {})
        route = route_of(handler)
        if route is not None:
            call.route = route
            call.context = self._parts.contexts[handler.opt["service"]]

    async def _limit(self, call: Call) -> None:
        rate = call.route.rate
        if rate == "none":
            return
        caller = call.client_address
        if rate == "media":
            counts, token = call.route.token_counts, call.scope["path_params"].get("token", "")
            # Made-up tokens have no allowance of their own.
            caller = token if counts is not None and counts(call.context, token) else caller
        elif rate == "api" and isinstance(call.principal, Principal):
            caller = call.principal.subject
        limit = self._limits[rate]
        verdict = await self._parts.limiter.hit(f"{rate}:{caller}", limit=limit, window=WINDOW)
        call.limits = head.limit_headers(rate, limit=limit, window=WINDOW, verdict=verdict)
        if not verdict.allowed:
            message = f"More than {limit} requests a minute: wait a little."
            raise TooMany(message, retry_after=int(verdict.retry_after) + 1)

    async def _kept(self, call: Call) -> Outcome | None:
        """The answer out of the byte cache, where the route may be answered so; it is put there on the way."""
        if not call.route.cached:
            return None
        cache, service = self._parts.byte_cache, call.context.name
        key = f"{call.path}?{call.scope['query_string'].decode('latin-1')}"
        kept = cache.get(key)
        if kept is None:
            writes = cache.writes(service)
            fresh = await self._fresh(call)
            if not (call.shared and isinstance(fresh, Answer) and fresh.status == 200):  # noqa: PLR2004
                return fresh
            cache.keep(key, fresh, service=service, writes=writes)
            kept = fresh
        return Answer(kept.body, status=kept.status, headers=kept.headers.copy())

    async def _fresh(self, call: Call) -> Outcome:
        await read_body(call, limit=self._parts.settings.body_limit)
        key = call.header(b"idempotency-key")
        if key is not None and call.route.idempotent and isinstance(call.principal, Principal):
            call.idempotency_key = read_key(key)
        return await self._writes.run(call)

    async def _handle(self, call: Call, before_stream: BeforeStream) -> Outcome:
        """Run the framework's handler; refusals and faults come out as they were raised."""

        async def head_of(held: HeldAnswer) -> Headers:
            await before_stream()
            return self._complete(call, held.headers)

        held = HeldAnswer(call.send, head_of)
        state = ScopeState.from_scope(call.scope)
        state.exception_handlers = self._app.exception_handlers
        if call.route.writes != "stream":
            state.body = call.body
        await call.app(call.scope, call.receive, held.receive_message)
        return held if held.streamed else held.answer()

    def _complete(self, call: Call, headers: Headers) -> Headers:
        headers = head.complete(
            headers,
            correlation_id=call.trace.correlation_id,
            signed_in=call.principal is not None,
            secure=self._parts.secure,
        )
        headers += call.limits
        origin = call.header(b"origin")
        if origin is not None:
            allowed = self._parts.settings.cors_origins
            headers += head.cross_origin(origin, allowed=allowed, preflight=call.method == "OPTIONS")
        return headers

    async def _send(self, call: Call, answer: Answer) -> None:
        status, body = answer.status, answer.body
        if status == 200 and _unchanged(call, answer.headers):  # noqa: PLR2004
            status, body = 304, b""
        headers = self._complete(call, answer.headers)
        incoming = call.incoming
        if incoming is not None and not incoming.ended:
            asks_first = call.headers.get(b"expect", b"").lower() == b"100-continue"
            if not await incoming.drain(asks_first=asks_first):
                headers.append((b"connection", b"close"))
        if status not in {204, 304}:
            headers.append((b"content-length", str(len(body)).encode()))
        await call.send({"type": "http.response.start", "status": status, "headers": headers})
        body = b"" if call.method == "HEAD" else body
        await call.send({"type": "http.response.body", "body": body, "more_body": False})

    def _record(self, call: Call, status: int, seconds: float) -> None:
        service = call.context.name if call.is_routed else ""
        self._parts.metrics.request(
            service=service, method=call.method, route=call.template, status=status, seconds=seconds
        )
        if self._parts.settings.log_requests and not (call.is_routed and call.route.rate == "none"):
            principal = call.principal
            log_request(
                RequestLine(
                    time=utc_now(),
                    service=service,
                    method=call.method,
                    route=call.template or "?",
                    status=status,
                    ms=round(seconds * 1000, 2),
                    user=principal.subject if isinstance(principal, Principal) else None,
                    correlation_id=call.trace.correlation_id,
                )
            )


def _end(span: Span, call: Call, status: int) -> None:
    service = call.context.name if call.is_routed else ""
    name, failed = f"{call.method} {call.template}".rstrip(), status >= HTTPStatus.INTERNAL_SERVER_ERROR
    span.end(name=name, failed=failed, moocflix_service=service, http_route=call.template, http_response_status=status)


class NothingHere(NotFound):
    """No route has this path."""

    def __init__(self) -> None:
        super().__init__("There is nothing at this address.")


def _unchanged(call: Call, headers: Headers) -> bool:
    known = call.headers.get(b"if-none-match")
    if known is None or call.method not in {"GET", "HEAD"}:
        return False
    etag = next((value for name, value in headers if name == b"etag"), None)
    return etag is not None and (known == b"*" or etag in [part.strip() for part in known.split(b",")])
