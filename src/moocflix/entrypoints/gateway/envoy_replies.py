"""What Envoy says itself, said in the platform's envelope; a service that hangs is one that is away."""

from collections.abc import Mapping
from typing import Any

from moocflix.platform.trace import SANE_ID

Config = dict[str, Any]

_AWAY = "A part that this needs is down."
_RETRY_AFTER = {"retry-after": "2"}
_BEARER = {"www-authenticate": "Bearer"}
_ID = "x-correlation-id"
# Of the sentence that jwt_authn gives as its reason where it has no keys, and cannot fetch any.
_KEYLESS = "Jwks.remote.fetch.is.failed"
_CEL = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
_GIVEN = f"%REQ({_ID})%"
# Envoy makes this one itself, for every request.
_MADE = "%REQ(x-request-id)%"


def local_replies() -> Config:
    """Each answer twice: with the caller's correlation id, where that is one, else with a fresh one."""
    given = {"header_filter": {"header": {"name": _ID, "string_match": {"safe_regex": {"regex": SANE_ID}}}}}
    return {"mappers": [*_mappers(_GIVEN, given), *_mappers(_MADE)]}


def _mappers(correlation_id: str, *conditions: Config) -> list[Config]:
    def mapper(
        statuses: list[int | Config], message: str, headers: Mapping[str, str] | None = None, *,
        status: int | None = None,
    ) -> Config:  # fmt: skip
        reasons = [_status_is(one) if isinstance(one, int) else one for one in statuses]
        answer: Config = {
            "filter": _all([_any(reasons), *conditions]),
            "body_format_override": _envelope(status or "%RESPONSE_CODE%", message),
            "headers_to_add": [
                {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
                for name, value in {**(headers or {}), _ID: correlation_id, "x-content-type-options": "nosniff"}.items()
            ],
        }
        return answer | ({} if status is None else {"status_code": status})

    return [
        mapper([502, 503, 504], _AWAY, _RETRY_AFTER, status=503),
        # A good token cannot be told from a bad one then, which is what Envoy would say of it.
        mapper([_details(_KEYLESS)], _AWAY, {**_RETRY_AFTER, **_BEARER}, status=503),
        mapper([429], "Too many requests.", _RETRY_AFTER),
        mapper([401], "Sign in first: this needs an access token.", _BEARER),
        mapper([408], "The request did not come in time."),
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


def _details(pattern: str) -> Config:
    """Where Envoy's own reason for its answer is such a one."""
    expression = {"@type": _CEL, "expression": f"response.code_details.matches('{pattern}')"}
    return {"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": expression}}


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
