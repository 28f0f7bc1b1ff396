"""The edge: one ASGI layer around the framework that does, step by step, all that every request needs.

Correlation, route, token, limit, access, byte cache, body, idempotency, transaction, headers, log, metrics. The
answer is held until the transaction has committed; where the commit fails, the edge answers for it.
"""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from time import perf_counter
from typing import Any, cast

import asyncpg
from litestar import Litestar
from litestar.exceptions import LitestarException, MethodNotAllowedException, NotFoundException, ValidationException
from litestar.types import HTTPScope
from litestar.utils import normalize_path

from moocflix.platform.auth.principal import Principal
from moocflix.platform.cache.limiter import Limiter
from moocflix.platform.clock import utc_now
from moocflix.platform.errors import Invalid, NotFound, Refusal, TooMany, WrongMethod
from moocflix.platform.http import headers as head
from moocflix.platform.http.address import client_address
from moocflix.platform.http.body import read_body
from moocflix.platform.http.call import Call
from moocflix.platform.http.endpoint import endpoints
from moocflix.platform.http.idempotency import read_key
from moocflix.platform.http.identify import Identify
from moocflix.platform.http.invalid import invalid_parameters
from moocflix.platform.http.kept_pages import Asked, Found, Page, Pages
from moocflix.platform.http.reply import Answer, Headers, StreamAnswer, error_answer, fault_answer
from moocflix.platform.http.writes import FillCopy, Writes, translate
from moocflix.platform.logs import RequestLine, log, log_request
from moocflix.platform.metrics import Metrics
from moocflix.platform.networks import Networks, line_of
from moocflix.platform.service import ServiceContext
from moocflix.platform.settings import HttpSettings
from moocflix.platform.spans import Span
from moocflix.platform.spans import begin as begin_span
from moocflix.platform.trace import set_trace, trace_of

WINDOW = 60
"""Seconds over which requests are counted."""
_OK = 200
_READS = {"GET", "HEAD"}


@dataclass(frozen=True, kw_only=True)
class EdgeParts:
    """What the edge works with."""

    settings: HttpSettings
    contexts: Mapping[str, ServiceContext]
    identify: Identify
    limiter: Limiter
    pages: Pages
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
        self._endpoints = endpoints(app, parts.contexts)
        self._writes = Writes(fill_copy=parts.fill_copy, secret=parts.fingerprint_secret)
        settings = parts.settings
        self._trusted = Networks(settings.trusted_proxies)
        limits = {"api": settings.api_limit, "auth": settings.auth_limit, "media": settings.media_limit}
        self._limits = {
            rate: (limit, head.limit_policy(rate, limit=limit, window=WINDOW)) for rate, limit in limits.items()
        }
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
        answer = await self._outcome(call)
        try:
            await self._send(call, answer)
        finally:
            self._record(call, answer.status, perf_counter() - started)
            if span is not None:
                _end(span, call, answer.status)

    async def _outcome(self, call: Call) -> Answer:
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

    async def _answer(self, call: Call) -> Answer:
        parts = self._parts
        call.client_address = client_address(call, trusted=self._trusted)
        asked = (call.path, call.scope["query_string"])
        page = parts.pages.at_hand(asked) if call.method in _READS else None
        if page is None:
            self._route(call)
        else:
            call.lead_to(page.endpoint)
        if call.method == "OPTIONS":
            return Answer(b"", status=204, headers=[(b"allow", ", ".join(self._methods[call.template]).encode())])
        # Asked for before the limit is: a server that keeps both is asked for both in one call.
        kept = parts.pages.look(call.context.name, asked) if page is None and call.route.cached else None
        try:
            await parts.identify(call)
        finally:
            # A token that does not count is counted too, so that nobody guesses for free.
            await self._limit(call)
        call.route.who.check(call.principal)
        if page is not None:
            return page
        return await self._fresh(call) if kept is None else await self._kept(call, asked, kept)

    def _route(self, call: Call) -> None:
        # Before anything asks what the path is: `//internal/users` is one of the internal paths, too.
        call.path = path = normalize_path(call.path)
        if path.startswith("/internal/") != self._parts.internal:
            raise NothingHere
        if "\x00" in path or b"%00" in call.scope["query_string"]:
            raise Invalid("The address holds a NUL character.", field="path" if "\x00" in path else "query")
        method = "GET" if call.method == "HEAD" else call.method
        try:
            _, handler, path, params, call.template = self._find(path=path, method=method)
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
            }
        )
        endpoint = self._endpoints.get((call.template, method))
        if endpoint is not None:
            call.lead_to(endpoint)
        elif method != "OPTIONS":
            raise NothingHere

    async def _limit(self, call: Call) -> None:
        rate = call.route.rate
        if rate == "none":
            return
        caller = line_of(call.client_address)
        if rate == "media":
            counts, token = call.route.token_counts, call.scope["path_params"].get("token", "")
            # Made-up tokens have no allowance of their own.
            caller = token if counts is not None and counts(call.context, token) else caller
        elif rate == "api" and isinstance(call.principal, Principal):
            caller = call.principal.subject
        limit, policy = self._limits[rate]
        verdict = await self._parts.limiter.hit(f"{rate}:{caller}", limit=limit, window=WINDOW)
        call.limits = [policy, head.limit_left(rate, verdict)]
        if not verdict.allowed:
            raise TooMany(
                f"More than {limit} requests a minute: wait a little.", retry_after=int(verdict.retry_after) + 1
            )

    async def _kept(self, call: Call, asked: Asked, kept: Awaitable[Found]) -> Answer:
        """The kept answer, or a fresh one, which is kept where the handler says that it is the same for everybody."""
        answer, mark = await kept
        if answer is not None:
            return answer
        fresh = await self._fresh(call)
        if call.shared and fresh.status == _OK:
            self._parts.pages.keep(asked, Page(fresh, call.endpoint, secure=self._parts.secure), mark=mark)
        return fresh

    async def _fresh(self, call: Call) -> Answer:
        settings = self._parts.settings
        await read_body(call, limit=settings.body_limit, seconds=settings.body_seconds)
        key = call.header(b"idempotency-key")
        if key is not None and call.route.idempotent and isinstance(call.principal, Principal):
            call.idempotency_key = read_key(key)
        answer = await self._writes.run(call)
        if call.method not in _READS:
            # Who hears of this write may ask another process the next moment.
            await self._parts.pages.dropped()
        return answer

    async def _send(self, call: Call, answer: Answer) -> None:
        status, body = answer.status, answer.body
        if status == _OK and _unchanged(call, answer.headers):
            status, body = 304, b""
        headers = self._head(call, answer)
        incoming = call.incoming
        if incoming is not None and not incoming.ended:
            asks_first = call.headers.get(b"expect", b"").lower() == b"100-continue"
            if not await incoming.drain(asks_first=asks_first):
                headers.append((b"connection", b"close"))
        if status not in {204, 304} and not isinstance(answer, StreamAnswer):
            headers.append((b"content-length", b"%d" % len(body)))
        await call.send({"type": "http.response.start", "status": status, "headers": headers})
        if isinstance(answer, StreamAnswer) and call.method != "HEAD":
            await _send_pieces(call, answer)
        body = b"" if call.method == "HEAD" else body
        await call.send({"type": "http.response.body", "body": body, "more_body": False})

    def _head(self, call: Call, answer: Answer) -> Headers:
        signed_in = call.principal is not None
        if isinstance(answer, Page):
            ours = answer.heads[signed_in]
        else:
            ours = head.complete(answer.headers, signed_in=signed_in, secure=self._parts.secure)
        headers = [*ours, (b"x-correlation-id", call.trace.correlation_id.encode("latin-1")), *call.limits]
        origin = call.header(b"origin")
        if origin is not None:
            allowed = self._parts.settings.cors_origins
            headers += head.cross_origin(origin, allowed=allowed, preflight=call.method == "OPTIONS")
        return headers

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


async def _send_pieces(call: Call, answer: StreamAnswer) -> None:
    try:
        async for chunk in answer.chunks:
            await call.send({"type": "http.response.body", "body": chunk, "more_body": True})
    except Exception as error:
        # The head is out: the body is broken off, so that nobody takes it for whole.
        log.error("answer broken off", method=call.method, route=call.template, exc_info=error)
        raise


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
    said = dict(headers)
    if b"no-store" in said.get(b"cache-control", b""):
        return False
    etag = said.get(b"etag")
    return etag is not None and (known == b"*" or etag in [part.strip() for part in known.split(b",")])
