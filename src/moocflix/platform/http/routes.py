"""How a route is declared: the framework's decorators, with what the edge, the docs and the gateway need beside.

@post("/api/v1/courses/{course_id:uuid}/enroll", who=CALLER, status=201, summary="Enrol in a course")
async def enroll(request: Request, course_id: UUID) -> Reply[EnrollmentOut]: ...
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.types import ASGIApp

from moocflix.platform.auth.access import CALLER, Access
from moocflix.platform.http.numbers import body_decoder
from moocflix.platform.http.reply import Envelope, ErrorEnvelope, Reply

if TYPE_CHECKING:
    from moocflix.platform.service import ServiceContext

RateClass = Literal["api", "auth", "media", "none"]
Writes = Literal["transaction", "intent", "stream", "none"]
Method = Literal["GET", "POST", "PUT", "DELETE"]

TokenCounts = Callable[["ServiceContext", str], bool]

_OPT = "route"
_Decoder = msgspec.json.Decoder[Any]
# What marks a parameter by where it comes from, as values: these are put together at run time.
_in_body: Any = JSONBody
_in_path: Any = FromPath
_in_query: Any = FromQuery


@dataclass(frozen=True, kw_only=True)
class Route:
    """What is declared of a route, beside its handler."""

    who: Access
    rate: RateClass
    writes: Writes
    cached: bool
    idempotent: bool
    """Whether an `Idempotency-Key` is honoured."""
    optional_token: bool
    """Whether a token that no longer counts is passed over, as at a login."""
    token_counts: TokenCounts | None
    """Whether the token in the path counts: requests are counted by it then (rate class media), else by address."""
    decoder: _Decoder | None
    """Of the request's body, where the handler takes one."""
    body_optional: bool
    sends: Mapping[int, Sequence[str]]
    """The media types of a bare answer by its status. One in ranges (206) is a file, of any length."""
    takes: Mapping[str, Any]
    """The schema of a body that is no JSON by its media type, for the description."""

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Route":
        """Itself: it never changes, and the framework copies handlers."""
        return self


def route_of(handler: BaseRouteHandler) -> Route | None:
    """What was declared of a handler; None for the framework's own."""
    return handler.opt.get(_OPT)


def get(path: str | list[str], *, who: Access, **options: Any) -> Callable[[Any], HTTPRouteHandler]:
    """Declare a read; `options` as in `declare`."""
    return declare("GET", path, who=who, **options)


def post(path: str | list[str], *, who: Access, **options: Any) -> Callable[[Any], HTTPRouteHandler]:
    """Declare a write; `options` as in `declare`."""
    return declare("POST", path, who=who, **options)


def put(path: str | list[str], *, who: Access, **options: Any) -> Callable[[Any], HTTPRouteHandler]:
    """Declare an update; `options` as in `declare`."""
    return declare("PUT", path, who=who, **options)


def delete(path: str | list[str], *, who: Access, **options: Any) -> Callable[[Any], HTTPRouteHandler]:
    """Declare a deletion; `options` as in `declare`."""
    return declare("DELETE", path, who=who, **options)


def declare(
    method: Method,
    path: str | list[str],
    *,
    who: Access,
    summary: str,
    status: int = 200,
    rate: RateClass | None = None,
    writes: Writes | None = None,
    cached: bool = False,
    hands_out_tokens: bool = False,
    refusals: Sequence[int] = (),
    token_counts: TokenCounts | None = None,
    sends: Mapping[int, Sequence[str]] | None = None,
    takes: Mapping[str, Any] | None = None,
) -> Callable[[Any], HTTPRouteHandler]:
    """Declare a route.

    `writes` says what the edge does: it opens one transaction and commits it with the answer ("transaction"); it
    opens none, since the handler commits its steps itself ("intent"), reads a streamed body ("stream"), or writes
    nothing ("none"). `cached` lets an answer that the handler marks as shared be kept for a moment.
    `hands_out_tokens` shuts out `Idempotency-Key`, which would store them. `token_counts` checks the path's `token`,
    whose requests are counted together (rate class media). `refusals` are the statuses, beside
    those that go without saying, that the description names. `sends` says which media types a bare answer has, by its
    status; `takes` the schema of a body that is no JSON, by its media type.
    """

    def register(function: Any) -> HTTPRouteHandler:
        hints = get_type_hints(function)
        decoder, optional = _body(hints.get("data"))
        route = Route(
            who=who,
            rate=rate or ("none" if who.services else "api"),
            writes=writes or ("none" if method == "GET" else "transaction"),
            cached=cached,
            idempotent=method == "POST" and not hands_out_tokens and not who.services,
            optional_token=hands_out_tokens,
            token_counts=token_counts,
            decoder=decoder,
            body_optional=optional,
            sends=sends or {},
            takes=takes or {},
        )
        responses = _responses(hints.get("return"), status, {400, *_refusals(who), *refusals, 429})
        function.__annotations__ = _for_the_framework(function, path if isinstance(path, str) else path[0])
        given = {"http_method": method, "status_code": status, "summary": summary, "responses": responses}
        return _handler(function, path, route, given)

    return register


def _handler(function: Any, path: str | list[str], route: Route, given: dict[str, Any]) -> HTTPRouteHandler:
    about = inspect.getdoc(function)
    shown = not route.who.services
    return HTTPRouteHandler(path, description=about, include_in_schema=shown, raises=[], opt={_OPT: route}, **given)(
        function
    )


def _for_the_framework(function: Any, path: str) -> dict[str, Any]:
    """The annotations that the framework wants: each parameter marked by where it comes from."""
    annotations: dict[str, Any] = {"return": ASGIApp}
    for name, kind in get_type_hints(function, include_extras=True).items():
        if name in {"request", "return"}:
            annotations.setdefault(name, kind)
        elif name == "data":
            annotations[name] = _in_body[kind]
        elif f"{{{name}:" in path:
            annotations[name] = _in_path[kind]
        elif any(isinstance(extra, QueryParameter) for extra in getattr(kind, "__metadata__", ())):
            annotations[name] = kind
        else:
            annotations[name] = _in_query[kind]
    return annotations


def _body(kind: Any) -> tuple[_Decoder | None, bool]:
    """What reads a body of this type, if there is one, and whether it may be left out."""
    return (None, False) if kind is None else (body_decoder(kind), type(None) in get_args(kind))


def _refusals(who: Access) -> tuple[int, ...]:
    if who.anonymous:
        return ()
    return (401,) if who.roles >= CALLER.roles else (401, 403)


def _responses(returned: Any, status: int, refusals: set[int]) -> dict[int, ResponseSpec]:
    responses = {
        code: ResponseSpec(ErrorEnvelope, generate_examples=False, description="Refused") for code in sorted(refusals)
    }
    if get_origin(returned) is Reply:
        envelope: Any = Envelope
        responses[status] = ResponseSpec(envelope[get_args(returned)[0]], generate_examples=False, description="Done")
    return responses
