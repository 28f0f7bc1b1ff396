"""What Envoy says itself, said in the platform's envelope; a service that hangs is one that is away."""

from collections.abc import Mapping
from typing import Any

from moocflix.platform.trace import SANE_ID

Config = dict[str, Any]

_RETRY_AFTER = {"retry-after": "2"}
_ID = "x-correlation-id"
_GIVEN = f"%REQ({_ID})%"
# Envoy makes this one itself, for every request.
_MADE = "%REQ(x-request-id)%"


def local_replies() -> Config:
    """Each answer twice: with the caller's correlation id, where that is one, else with a fresh one."""
    given = {"header_filter": {"header": {"name": _ID, "string_match": {"safe_regex": {"regex": SANE_ID}}}}}
    return {"mappers": [*_mappers(_GIVEN, given), *_mappers(_MADE)]}


def _mappers(correlation_id: str, *conditions: Config) -> list[Config]:
    def mapper(
        statuses: list[int], message: str, headers: Mapping[str, str] | None = None, *, status: int | None = None
    ) -> Config:
        answer: Config = {
            "filter": _all([_any([_status_is(code) for code in statuses]), *conditions]),
            "body_format_override": _envelope(status or "%RESPONSE_CODE%", message),
            "headers_to_add": [
                {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
                for name, value in {**(headers or {}), _ID: correlation_id, "x-content-type-options": "nosniff"}.items()
            ],
        }
        return answer | ({} if status is None else {"status_code": status})

    return [
        mapper([502, 503, 504], "A part that this needs is down.", _RETRY_AFTER, status=503),
        mapper([429], "Too many requests.", _RETRY_AFTER),
        mapper([401], "Sign in first: this needs an access token.", {"www-authenticate": "Bearer"}),
        mapper([413], "The body is too large."),
        # Whatever else: its own sentence, or what Envoy says of it.
        mapper([], "%LOCAL_REPLY_BODY%"),
    ]


def _any(filters: list[Config]) -> Config:
    if not filters:
        return _status_is(400, "GE")
    return filters[0] if len(filters) == 1 else {"or_filter": {"filters": filters}}


def _all(filters: list[Config]) -> Config:
    return filters[0] if len(filters) == 1 else {"and_filter": {"filters": filters}}


def _status_is(code: int, operator: str = "EQ") -> Config:
    value = {"default_value": code, "runtime_key": f"moocflix.status_{code}"}
    return {"status_code_filter": {"comparison": {"op": operator, "value": value}}}


def _envelope(code: int | str, message: str) -> Config:
    return {
        "json_format": {
            "status": "error",
            "data": None,
            "error": {"errorCode": code, "message": message},
            "timestamp": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        },
        "content_type": "application/json",
    }
