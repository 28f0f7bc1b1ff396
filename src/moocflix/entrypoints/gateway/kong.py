"""Kong's declarative file (format 3.0): the same routes and checks, with the keys of the moment it was made."""

import base64
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from moocflix.entrypoints.gateway.table import PublicPath, public_paths
from moocflix.platform.http import system
from moocflix.platform.service import Service

_ORDINARY_MS = 10_000
_STREAM_MS = 600_000
_MEGABYTE = 1024 * 1024

Config = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class KongPlace:
    """Where the services' public listeners are, and which keys sign access tokens."""

    services: Mapping[str, tuple[str, int]]
    body_limit: int
    requests_per_minute: int
    """Of everybody together, to each of Kong's services for itself: it cannot count their sum."""
    keys: Sequence[Mapping[str, Any]]
    """As a JSON Web Key Set has them."""


def config(services: Iterable[Service], place: KongPlace) -> Config:
    """The whole file. No route leads to `/internal/`: what is not named answers 404."""
    services = tuple(services)
    paths = public_paths(services)
    rank = {path: len(paths) - index for index, path in enumerate(paths)}
    listed = []
    for service in services:
        for streams in (False, True):
            own = [path for path in paths if path.service == service.name and path.streams == streams]
            if own:
                listed.append(_service(service.name, own, place, rank, streams=streams))
    pages = [path for path in paths if path.service == system.NAME]
    listed.append(_service(system.NAME, pages, place, rank, streams=False, host_of=services[0].name))
    return {
        "_format_version": "3.0",
        "_transform": True,
        "services": listed,
        "consumers": [{"username": "moocflix-people", "jwt_secrets": [_key(key) for key in place.keys]}],
        "plugins": [
            {
                "name": "correlation-id",
                # Not echoed: the caller's would go over the one that the service has made where the caller's is none.
                "config": {"header_name": "X-Correlation-ID", "generator": "uuid", "echo_downstream": False},
            },
            {
                "name": "rate-limiting",
                "config": {
                    "minute": place.requests_per_minute,
                    "policy": "local",
                    "limit_by": "service",
                    # What is left to the caller is in the service's own headers; this is everybody's.
                    "hide_client_headers": True,
                },
            },
        ],
    }


def _service(
    name: str,
    paths: list[PublicPath],
    place: KongPlace,
    rank: Mapping[PublicPath, int],
    *,
    streams: bool,
    host_of: str | None = None,
) -> Config:
    host, port = place.services[host_of or name]
    patience = _STREAM_MS if streams else _ORDINARY_MS
    service: Config = {
        "name": f"{name}-streams" if streams else name,
        "protocol": "http",
        "host": host,
        "port": port,
        "connect_timeout": 1000,
        "read_timeout": patience,
        "write_timeout": patience,
        "retries": 0,
        "routes": [route for path in paths for route in _routes(path, rank[path])],
    }
    if not streams:
        megabytes = max(1, 2 * place.body_limit // _MEGABYTE)
        limit = {"allowed_payload_size": megabytes, "size_unit": "megabytes", "require_content_length": False}
        service["plugins"] = [{"name": "request-size-limiting", "config": limit}]
    return service


def _routes(path: PublicPath, rank: int) -> list[Config]:
    """One route for those who need a token, one for all other methods, so that the service answers 405 itself."""
    open_methods = sorted({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"} - path.signed_in)
    routes = [_route(path, rank, sorted(path.signed_in), signed_in=True)] if path.signed_in else []
    return [*routes, _route(path, rank, open_methods, signed_in=False)]


def _route(path: PublicPath, rank: int, methods: list[str], *, signed_in: bool) -> Config:
    kind = "signed-in" if signed_in else "open"
    name = "".join(letter if letter.isalnum() else "-" for letter in path.template).strip("-") or "home"
    route: Config = {
        "name": f"{path.service}.{name}.{kind}",
        "paths": [f"~{path.pattern}$"],
        "methods": methods,
        # The first of our patterns that fits is the right one; Kong asks the highest first.
        "regex_priority": rank,
        "strip_path": False,
        "preserve_host": True,
        "request_buffering": not path.streams,
        "response_buffering": not path.streams,
    }
    if signed_in:
        check = {"key_claim_name": "kid", "claims_to_verify": ["exp"], "header_names": ["authorization"]}
        route["plugins"] = [{"name": "jwt", "config": check}]
    return route


def _key(key: Mapping[str, Any]) -> Config:
    raw = base64.urlsafe_b64decode(key["x"] + "=" * (-len(key["x"]) % 4))
    pem = Ed25519PublicKey.from_public_bytes(raw).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    # No token is checked with the secret; some of Kong's tools want every credential to have one.
    secret = secrets.token_urlsafe(32)
    return {"key": key["kid"], "algorithm": "EdDSA", "rsa_public_key": pem.decode(), "secret": secret}
