"""Envoy's routes: which service a path leads to, and how long each may take."""

from collections.abc import Iterable
from typing import Any

from moocflix.entrypoints.gateway.table import PublicPath
from moocflix.platform.http import system

_FILTERS = "type.googleapis.com/envoy.extensions.filters.http"
_ORDINARY_SECONDS = 10
# What every service answers: three of them may be asked within the ordinary time.
_PAGE_SECONDS = 3
_IDLE_SECONDS = 60

Config = dict[str, Any]


def routes(paths: list[PublicPath], *, body_seconds: float) -> Config:
    """The whole table: the first route that fits is taken, and what is not named is not there."""
    nothing = {"status": 404, "body": {"inline_string": "There is nothing at this address."}}
    closed = [
        {"match": {"prefix": "/internal"}, "direct_response": nothing},
        *(_route(path, closed=_shares_path(path, paths), body_seconds=body_seconds) for path in paths),
        {"match": {"prefix": "/"}, "direct_response": nothing},
    ]
    return {
        "name": "public",
        "virtual_hosts": [{"name": "platform", "domains": ["*"], "routes": closed}],
        "request_headers_to_add": [
            {
                "header": {"key": "x-correlation-id", "value": "%REQ(X-REQUEST-ID)%"},
                "append_action": "ADD_IF_ABSENT",
            }
        ],
    }


def _shares_path(path: PublicPath, paths: list[PublicPath]) -> bool:
    return any(other.pattern == path.pattern and other.service != path.service for other in paths)


def _route(path: PublicPath, *, closed: bool, body_seconds: float) -> Config:
    match: Config = {"safe_regex": {"regex": path.pattern}}
    if closed:
        # Two services share the path: the method tells them apart.
        match["headers"] = [method_in(path.methods)]
    again = {"retry_policy": _another_service()} if path.service == system.NAME else {}
    route: Config = {
        "match": match,
        "route": {"cluster": path.service, **_times(path, body_seconds), **again},
        "decorator": {"operation": path.shown, "propagate": False},
    }
    if path.streams:
        unlimited = {"@type": f"{_FILTERS}.buffer.v3.BufferPerRoute", "disabled": True}
        route["typed_per_filter_config"] = {"envoy.filters.http.buffer": unlimited}
    return route


def longest(body_seconds: float) -> Config:
    """How long a whole request may take; a route that said it itself would have no `timeout` any more."""
    return {"max_stream_duration": _seconds(2 * body_seconds + _ORDINARY_SECONDS)}


def _times(path: PublicPath, body_seconds: float) -> Config:
    if path.streams:
        # It lasts as long as it moves, and nothing of it is held here: its service is the first to tire of a body.
        idle = _seconds(max(_IDLE_SECONDS, body_seconds + _ORDINARY_SECONDS))
        return {"timeout": "0s", "idle_timeout": idle, "max_stream_duration": {"max_stream_duration": "0s"}}
    return {
        "timeout": _seconds(_ORDINARY_SECONDS),
        # The body is held here until it is whole, so that its service cannot tire of it. A service that has it and
        # works is silent, too.
        "idle_timeout": _seconds(max(body_seconds, _ORDINARY_SECONDS)),
    }


def _seconds(number: float) -> str:
    return f"{number:.3f}s"


def _another_service() -> Config:
    """All answer alike, and nothing is changed: one that does not answer is no reason to fail."""
    others = "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    return {
        "retry_on": "connect-failure,reset",
        "num_retries": 2,
        "per_try_timeout": f"{_PAGE_SECONDS}s",
        "retry_host_predicate": [
            {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {"@type": others}}
        ],
        "host_selection_retry_max_attempts": 5,
    }


def method_in(methods: Iterable[str]) -> Config:
    """That the request has one of these."""
    return {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(sorted(methods))}}}
