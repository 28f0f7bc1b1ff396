"""Envoy's spans: the first of a trace, below the caller's own where it sent one."""

import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from moocflix.platform.settings import Settings
from moocflix.platform.spans import sampled_share, traces_url

Config = dict[str, Any]

_CLUSTER = "traces"
_SECONDS = 3
_SAMPLERS = "type.googleapis.com/envoy.extensions.tracers.opentelemetry.samplers.v3"
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


@dataclass(frozen=True, kw_only=True)
class Traces:
    """Where spans go, over OTLP/HTTP, and for which share of the requests that come without a trace."""

    url: str
    share: float

    @classmethod
    def of(cls, settings: Settings) -> "Traces | None":
        """As the services have it; None where no endpoint is set. Raises SettingsError."""
        url = traces_url(settings)
        return None if url is None else cls(url=url, share=sampled_share(settings))


def tracing(traces: Traces) -> Config:
    """What the connection manager is told; a span is named after its route, and no address is in it.

    Tokens of players and signatures of files are parts of addresses.
    """
    return {
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                "http_service": {"http_uri": {"uri": traces.url, "cluster": _CLUSTER, "timeout": f"{_SECONDS}s"}},
                "service_name": "moocflix-gateway",
                "sampler": _sampler(traces.share),
            },
        },
        "max_path_tag_length": 1,
    }


def _sampler(share: float) -> Config:
    """A caller who has a trace says whether it is kept; of those who have none a share is."""
    kept = {"numerator": round(share * 1_000_000), "denominator": "MILLION"}
    by_chance = {"@type": f"{_SAMPLERS}.TraceIdRatioBasedSamplerConfig", "sampling_percentage": kept}
    name = "envoy.tracers.opentelemetry.samplers"
    of_parent = {
        "@type": f"{_SAMPLERS}.ParentBasedSamplerConfig",
        "wrapped_sampler": {"name": f"{name}.trace_id_ratio_based", "typed_config": by_chance},
    }
    return {"name": f"{name}.parent_based", "typed_config": of_parent}


def traces_cluster(traces: Traces) -> Config:
    """Where the receiver is."""
    parts = urlsplit(traces.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    endpoint = {"address": {"socket_address": {"address": parts.hostname, "port_value": port}}}
    cluster: Config = {
        "name": _CLUSTER,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": _CLUSTER, "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]},
    }
    if parts.scheme == "https":
        trusted = {"trusted_ca": {"filename": ssl.get_default_verify_paths().openssl_cafile}}
        context = {"@type": _TLS, "sni": parts.hostname, "common_tls_context": {"validation_context": trusted}}
        cluster["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return cluster
