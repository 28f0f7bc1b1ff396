"""`moocflix gateway`: the files' text."""

import json
import urllib.request
from typing import Any

import click

from moocflix.entrypoints.gateway import envoy as envoy_file
from moocflix.entrypoints.gateway import kong as kong_file
from moocflix.entrypoints.gateway.envoy_traces import Traces
from moocflix.entrypoints.gateway.settings import GatewaySettings
from moocflix.entrypoints.services import SERVICES
from moocflix.platform.settings import HttpSettings, Settings, SettingsError

_JWKS_SECONDS = 5


@click.group()
def gateway() -> None:
    """Write gateways' configuration files out of the routes.

    MOOCFLIX_GATEWAY_USERS_URL and its like say where the services are; unless set, on hosts of their names at port
    8000 (http://users:8000).
    """


@gateway.command()
@click.pass_obj
def envoy(settings: Settings) -> None:
    """Print Envoy's configuration (JSON, which is YAML too)."""
    click.echo(envoy_text(settings))


@gateway.command()
@click.pass_obj
def kong(settings: Settings) -> None:
    """Print Kong's declarative file (JSON). It holds the keys of today: write it anew when they change."""
    click.echo(kong_text(settings))


def envoy_text(settings: Settings) -> str:
    """Envoy's configuration. Raises SettingsError."""
    http, gateway = settings.of(HttpSettings), settings.of(GatewaySettings)
    place = envoy_file.EnvoyPlace(
        host=http.host,
        port=http.port,
        services=_addresses(gateway),
        body_limit=http.body_limit,
        body_seconds=http.body_seconds,
        requests_per_second=gateway.requests_per_second,
        trusted_proxies=http.trusted_proxies,
        traces=Traces.of(settings),
    )
    return json.dumps(envoy_file.config(SERVICES, place), indent=2)


def kong_text(settings: Settings) -> str:
    """Kong's declarative file, with the keys that users publishes now. Raises SettingsError."""
    http, gateway = settings.of(HttpSettings), settings.of(GatewaySettings)
    place = kong_file.KongPlace(
        services=_addresses(gateway),
        body_limit=http.body_limit,
        requests_per_minute=gateway.requests_per_second * 60,
        keys=_published(gateway.users_url),
    )
    return json.dumps(kong_file.config(SERVICES, place), indent=2)


def _addresses(gateway: GatewaySettings) -> dict[str, tuple[str, int]]:
    return gateway.addresses([service.name for service in SERVICES])


def _published(users_url: str) -> list[dict[str, Any]]:
    url = f"{users_url}/.well-known/jwks.json"
    # What the machine's environment says of proxies is not meant for a service's own address.
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with directly.open(url, timeout=_JWKS_SECONDS) as answer:
            keys: list[dict[str, Any]] = json.load(answer)["keys"]
    except (OSError, ValueError, KeyError) as error:
        raise SettingsError(f"The keys of today cannot be read from {url}: {error}.") from error
    return keys
