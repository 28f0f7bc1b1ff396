"""Headers that the edge adds: correlation, limits, security, and cross-origin access (CORS)."""

from collections.abc import Sequence

from moocflix.platform.cache.limiter import Verdict
from moocflix.platform.http.reply import Header, Headers

_SECURITY: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
_DEFAULTS: dict[bytes, bytes] = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-cache",
    b"vary": b"authorization, origin",
}
_PLAIN: Headers = [*_SECURITY, *_DEFAULTS.items()]
_SIGNED_IN: Headers = [*_SECURITY, *{**_DEFAULTS, b"cache-control": b"private, no-store"}.items()]
_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_EXPOSED = (
    b"etag, location, x-correlation-id, ratelimit, ratelimit-policy, retry-after, idempotent-replayed, "
    b"tus-resumable, upload-offset, upload-length, upload-expires"
)
_ALLOWED = (
    b"authorization, content-type, if-match, if-none-match, idempotency-key, range, x-correlation-id, traceparent, "
    b"tus-resumable, upload-length, upload-offset, upload-metadata, upload-checksum"
)


def complete(headers: Headers, *, signed_in: bool, secure: bool) -> Headers:
    """Add what answers carry whoever asks for what, where the answer does not say it itself."""
    said = [name for name, _ in headers if name in _DEFAULTS]
    ours = _SIGNED_IN if signed_in else _PLAIN
    if said:
        ours = [header for header in ours if header[0] not in said]
    return [*headers, *ours, _HSTS] if secure else [*headers, *ours]


def limit_policy(rate: str, *, limit: int, window: int) -> Header:
    """How often a rate class may be called (draft-ietf-httpapi-ratelimit-headers)."""
    return (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (rate.encode(), limit, window))


def limit_left(rate: str, verdict: Verdict) -> Header:
    """What is left of it for this caller."""
    return (b"ratelimit", b'"%b";r=%d;t=%d' % (rate.encode(), verdict.remaining, int(verdict.reset) + 1))


def cross_origin(origin: str | None, *, allowed: Sequence[str], preflight: bool) -> Headers:
    """Headers by which a page of another origin may read the answer; none where it may not."""
    if origin is None or not ({"*", origin} & set(allowed)):
        return []
    headers = [(b"access-control-allow-origin", origin.encode("latin-1")), (b"access-control-expose-headers", _EXPOSED)]
    if preflight:
        headers += [
            (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            (b"access-control-allow-headers", _ALLOWED),
            (b"access-control-max-age", b"600"),
        ]
    return headers
