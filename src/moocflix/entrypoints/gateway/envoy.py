"""Envoy's configuration: every public route to its service, tokens checked at the door, `/internal/` closed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from moocflix.entrypoints.gateway.envoy_replies import local_replies
from moocflix.entrypoints.gateway.envoy_routes import longest, method_in, routes
from moocflix.entrypoints.gateway.envoy_traces import Traces, traces_cluster, tracing
from moocflix.entrypoints.gateway.table import PublicPath, public_paths
from moocflix.platform.auth.tokens import AUDIENCE, ISSUER
from moocflix.platform.http import system
from moocflix.platform.service import Service

_TYPE = "type.googleapis.com/envoy.extensions"
_FILTERS = f"{_TYPE}.filters.http"
_IDLE_SECONDS = 300
_KEYS_EVERY_SECONDS = 5
# The services close a connection that has been idle for 30 s: one that is about to be closed is not to be used.
_UPSTREAM_IDLE_SECONDS = 15
_FORWARDED_FOR = "x-forwarded-for"
_JWKS = "/.well-known/jwks.json"

Config = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class EnvoyPlace:
    """Where the gateway listens, and where the services' public listeners are."""

    host: str
    port: int
    services: Mapping[str, tuple[str, int]]
    body_limit: int
    body_seconds: float
    requests_per_second: int
    trusted_proxies: Sequence[str] = ()
    """Addresses and networks of proxies before it, whose word on who calls counts."""
    traces: Traces | None = None


def config(services: Iterable[Service], place: EnvoyPlace) -> Config:
    """The whole static configuration."""
    services = tuple(services)
    paths = public_paths(services)
    clusters = {service.name: [place.services[service.name]] for service in services}
    # Pages and health are answered alike by every process.
    clusters[system.NAME] = [place.services[service.name] for service in services]
    return {
        "static_resources": {
            "listeners": [_listener(paths, place)],
            "clusters": [
                *(_cluster(name, ends) for name, ends in clusters.items()),
                *([traces_cluster(place.traces)] if place.traces else []),
            ],
        },
        # Expressions with a count such as {1,128} are large ones for Envoy.
        "layered_runtime": {"layers": [{"name": "ours", "static_layer": {"re2.max_program_size.error_level": 2000}}]},
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{_TYPE}.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                        "max_active_downstream_connections": 10000,
                    },
                }
            ]
        },
    }


def _listener(paths: list[PublicPath], place: EnvoyPlace) -> Config:
    # Of who calls, the word of the operator's proxies counts; anybody else is the peer, whatever they say of others.
    chains = [_chain(paths, place, believed=False)]
    if place.trusted_proxies:
        proxies = [_network(part) for part in place.trusted_proxies]
        chains.append({"filter_chain_match": {"source_prefix_ranges": proxies}, **_chain(paths, place, believed=True)})
    return {
        "name": "public",
        "address": _address(place.host, place.port),
        # Another's port is a fault, and not to be shared with them.
        "enable_reuse_port": False,
        "filter_chains": chains,
    }


def _network(part: str) -> Config:
    network = ip_network(part)
    return {"address_prefix": str(network.network_address), "prefix_len": network.prefixlen}


def _chain(paths: list[PublicPath], place: EnvoyPlace, *, believed: bool) -> Config:
    manager: Config = {
        "@type": f"{_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "moocflix",
        "codec_type": "AUTO",
        "use_remote_address": True,
        # It would name this machine's own address in place of a loopback one.
        "skip_xff_append": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD",
        "server_header_transformation": "PASS_THROUGH",
        "stream_idle_timeout": f"{_IDLE_SECONDS}s",
        "common_http_protocol_options": longest(place.body_seconds),
        "request_headers_timeout": "10s",
        "early_header_mutation_extensions": [_said_of_the_caller(believed=believed)],
        "route_config": routes(paths, body_seconds=place.body_seconds),
        "local_reply_config": local_replies(),
        "http_filters": [_rate_limit(place), _tokens(paths), _body_limit(place), _router()],
    }
    if place.traces:
        manager["tracing"] = tracing(place.traces)
    return {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}


def _said_of_the_caller(*, believed: bool) -> Config:
    """Who calls, as the services are told, who believe this gateway; nothing of it is the caller's word."""
    peer = {"header": {"key": _FORWARDED_FOR, "value": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"}}
    mutations: list[Config] = [
        # Made anew for each request, as it stands in for a correlation id that is none.
        {"remove": "x-request-id"},
        *([] if believed else [{"remove": _FORWARDED_FOR}]),
        {"append": {**peer, "append_action": "APPEND_IF_EXISTS_OR_ADD"}},
    ]
    mutation = {"@type": f"{_TYPE}.http.early_header_mutation.header_mutation.v3.HeaderMutation"}
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {**mutation, "mutations": mutations},
    }


def _tokens(paths: list[PublicPath]) -> Config:
    """Refuses what carries no good token where one is needed; the services check again, revocations too."""
    provider = {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "forward": True,
        "clock_skew_seconds": 10,
        "remote_jwks": {
            "http_uri": {"uri": f"http://users{_JWKS}", "cluster": "users", "timeout": "2s"},
            "cache_duration": f"{_KEYS_EVERY_SECONDS}s",
            # Fetched beside the requests: keys in hand serve on while users is away.
            "async_fetch": {"failed_refetch_duration": "1s"},
        },
    }
    rules = [
        {
            "match": {"safe_regex": {"regex": path.pattern}, "headers": [method_in(path.signed_in)]},
            "requires": {"provider_name": "moocflix"},
        }
        for path in paths
        if path.signed_in
    ]
    filter_config = {
        "@type": f"{_FILTERS}.jwt_authn.v3.JwtAuthentication",
        "providers": {"moocflix": provider},
        "rules": rules,
        "bypass_cors_preflight": True,
    }
    return {"name": "envoy.filters.http.jwt_authn", "typed_config": filter_config}


def _rate_limit(place: EnvoyPlace) -> Config:
    rate = place.requests_per_second
    # Some ten times a second, and so many that it comes to the rate exactly.
    filled = -(-rate // 10)
    bucket = {"max_tokens": rate, "tokens_per_fill": filled, "fill_interval": f"{filled / rate:.9f}s"}
    everything = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    filter_config = {
        "@type": f"{_FILTERS}.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "coarse",
        "token_bucket": bucket,
        "filter_enabled": everything,
        "filter_enforced": everything,
    }
    return {"name": "envoy.filters.http.local_ratelimit", "typed_config": filter_config}


def _body_limit(place: EnvoyPlace) -> Config:
    # A little above the services' own limit, so that their sentence is the one that is read.
    limit = {"@type": f"{_FILTERS}.buffer.v3.Buffer", "max_request_bytes": place.body_limit * 2}
    return {"name": "envoy.filters.http.buffer", "typed_config": limit}


def _router() -> Config:
    quiet = {"@type": f"{_FILTERS}.router.v3.Router", "suppress_envoy_headers": True}
    return {"name": "envoy.filters.http.router", "typed_config": quiet}


def _cluster(name: str, ends: list[tuple[str, int]]) -> Config:
    endpoints = [{"endpoint": {"address": _address(host, port)}} for host, port in ends]
    return {
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        "health_checks": [
            {
                "timeout": "2s",
                "interval": "2s",
                "no_traffic_interval": "2s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "http_health_check": {"path": "/health/live"},
            }
        ],
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_TYPE}.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http_protocol_options": {}},
                "common_http_protocol_options": {"idle_timeout": f"{_UPSTREAM_IDLE_SECONDS}s"},
            }
        },
        # One that hangs is left alone, its callers too: no use in trying all of them when none is well.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "close_connections_on_host_health_failure": True,
        # Unless set, three at once: while a service hangs, one in five pages would be asked for again.
        "circuit_breakers": {"thresholds": [{"max_retries": 1024}]},
        "ignore_health_on_host_removal": True,
    }


def _address(host: str, port: int) -> Config:
    return {"socket_address": {"address": host, "port_value": port}}
