"""What listens where in a distributed installation on one machine, and what each process is told of the others."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from moocflix.entrypoints.gateway.envoy import EnvoyPlace
from moocflix.entrypoints.gateway.envoy_traces import Traces
from moocflix.entrypoints.gateway.settings import GatewaySettings
from moocflix.entrypoints.installation import address
from moocflix.platform.database.urls import DatabaseUrls, role_of
from moocflix.platform.local_servers import valkey
from moocflix.platform.local_servers.child import free_ports
from moocflix.platform.postgres_address import ServerAddress
from moocflix.platform.secrets import Secrets
from moocflix.platform.settings import HttpSettings, PlatformSettings, Settings

BUCKET = "moocflix"
REGION = "us-east-1"
HERE = "127.0.0.1"
_OTHER_DATABASE = re.compile(r"MOOCFLIX_DATABASE_([A-Z]+_)?(DIRECT_|ADMIN_)?URL")
_LOOPBACK = (HERE, "localhost", "::1")
_NOT_INHERITED = re.compile(rf"MOOCFLIX_(HTTP_)?PORT|MOOCFLIX_HTTP_HOST|{_OTHER_DATABASE.pattern}")


@dataclass(frozen=True, kw_only=True)
class S3Place:
    """The S3 server."""

    port: int
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{HERE}:{self.port}"


class Layout:
    """One run's ports and secrets. The gateway's port is the given one, all others are free ones."""

    def __init__(self, settings: Settings, services: Sequence[str]) -> None:
        """Nothing is started here; the secrets are made where they are missing."""
        self.services = tuple(services)
        self.data = settings.of(PlatformSettings).data.expanduser().absolute()
        self._settings = settings
        self._http = settings.of(HttpSettings)
        self.kafka_servers = ""
        """Known once Kafka has been started: it keeps the ports of its first start."""
        ports = iter(free_ports(2 * len(self.services) + 2))
        self.public = {name: next(ports) for name in self.services}
        self.internal = {name: next(ports) for name in self.services}
        self.valkey_port = next(ports)
        secrets = Secrets.of(settings)
        self._valkey_password = secrets.key("valkey", purpose="password").hex()
        self._database_key = secrets.key("database", purpose="passwords of roles")
        secret_key = secrets.key("s3", purpose="secret key").hex()
        self.s3 = S3Place(port=next(ports), access_key="moocflix", secret_key=secret_key)

    @property
    def gateway_url(self) -> str:
        """Where users come in."""
        return address(self._http)

    @property
    def valkey_password(self) -> str:
        """Valkey's password."""
        return self._valkey_password

    @property
    def valkey_url(self) -> str:
        """Where Valkey is."""
        return valkey.url(port=self.valkey_port, password=self._valkey_password)

    def public_url(self, name: str) -> str:
        """A service's public listener, for the gateway."""
        return f"http://{HERE}:{self.public[name]}"

    def internal_url(self, name: str) -> str:
        """A service's internal listener, for the other services."""
        return f"http://{HERE}:{self.internal[name]}"

    def databases(self, server: ServerAddress) -> dict[str, str]:
        """A database for each service, with the service's own login."""
        urls = DatabaseUrls(admin=server.dsn(), key=self._database_key)
        return {
            name: server.dsn(f"moocflix_{name}", user=role_of(name), password=urls.password(role_of(name)))
            for name in self.services
        }

    def envoy(self) -> EnvoyPlace:
        """What the gateway's configuration says of this machine."""
        return EnvoyPlace(
            host=self._http.host,
            port=self._http.port,
            services={name: (HERE, port) for name, port in self.public.items()},
            body_limit=self._http.body_limit,
            body_seconds=self._http.body_seconds,
            requests_per_second=self._settings.of(GatewaySettings).requests_per_second,
            trusted_proxies=self._http.trusted_proxies,
            traces=Traces.of(self._settings),
        )

    def environment(self, databases: Mapping[str, str]) -> dict[str, str]:
        """What every process of ours is told; `databases` are those that it may use, by service."""
        inherited = {name: value for name, value in os.environ.items() if not _NOT_INHERITED.fullmatch(name)}
        return {
            "MALLOC_ARENA_MAX": "2",
            **inherited,
            **_past_proxies(os.environ),
            "MOOCFLIX_PLATFORM_DATA": str(self.data),
            "MOOCFLIX_PLATFORM_PUBLIC_URL": self._settings.of(PlatformSettings).public_url or self.gateway_url,
            # Envoy, and what the operator has before it.
            "MOOCFLIX_HTTP_TRUSTED_PROXIES": ",".join([HERE, *self._http.trusted_proxies]),
            **self._own(databases),
        }

    def overruled(self, databases: Mapping[str, str]) -> list[str]:
        """Variables that have been set, by the environment or the file, to something else than what holds here."""
        own = {**self._own(databases), "MOOCFLIX_INTERNAL_PORT": ""}
        set_ = [name for name in own if self._settings.names(name) and self._settings.value(name) != own[name]]
        return sorted({*set_, *filter(_OTHER_DATABASE.fullmatch, os.environ)})

    def _own(self, databases: Mapping[str, str]) -> dict[str, str]:
        """What this installation starts itself, whatever else was named."""
        return {
            "MOOCFLIX_STORAGE_KIND": "s3",
            "MOOCFLIX_STORAGE_S3_ENDPOINT": self.s3.url,
            "MOOCFLIX_STORAGE_S3_REGION": REGION,
            "MOOCFLIX_STORAGE_S3_BUCKET": BUCKET,
            "MOOCFLIX_STORAGE_S3_ACCESS_KEY": self.s3.access_key,
            "MOOCFLIX_STORAGE_S3_SECRET_KEY": self.s3.secret_key,
            # The S3 server is for this machine alone: what users read goes through the gateway.
            "MOOCFLIX_STORAGE_S3_REDIRECTS": "false",
            # In place of an administrator's, be it one of the settings file.
            "MOOCFLIX_DATABASE_URL": next(iter(databases.values())),
            **{f"MOOCFLIX_DATABASE_{name.upper()}_URL": url for name, url in databases.items()},
            "MOOCFLIX_CACHE_URL": self.valkey_url,
            "MOOCFLIX_EVENTS_BUS": "kafka",
            "MOOCFLIX_KAFKA_SERVERS": self.kafka_servers,
            # One broker, without TLS and login, on the loopback address.
            "MOOCFLIX_KAFKA_REPLICAS": "1",
            "MOOCFLIX_KAFKA_TLS": "false",
            "MOOCFLIX_KAFKA_CA_FILE": "",
            "MOOCFLIX_KAFKA_USER": "",
            "MOOCFLIX_KAFKA_PASSWORD": "",
            # Each has a listener for internal calls beside its port.
            "MOOCFLIX_HTTP_WORKERS": "1",
            # It is the supervisor who looks after workers and relays.
            "MOOCFLIX_HEALTH_PORT": "0",
            **{f"MOOCFLIX_SERVICE_{name.upper()}_URL": self.internal_url(name) for name in self.services},
        }

    def operator_environment(self, server: ServerAddress, databases: Mapping[str, str]) -> dict[str, str]:
        """What a command is told that somebody gives by hand."""
        return {
            **self.environment(databases),
            "MOOCFLIX_DATABASE_URL": server.dsn(),
            **{f"MOOCFLIX_GATEWAY_{name.upper()}_URL": self.public_url(name) for name in self.services},
        }

    def service_environment(self, name: str, database: str) -> dict[str, str]:
        """What the process of one service is told."""
        return {
            **self.environment({name: database}),
            "MOOCFLIX_HTTP_HOST": HERE,
            "MOOCFLIX_HTTP_PORT": str(self.public[name]),
            "MOOCFLIX_INTERNAL_HOST": HERE,
            "MOOCFLIX_INTERNAL_PORT": str(self.internal[name]),
        }

    def folder(self, name: str) -> Path:
        """Where a part keeps its data."""
        return self.data / name


def _past_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Beside what the user keeps from their proxy, this machine; some libraries read the one spelling, some the other.

    The S3 server is asked by one that uses a proxy wherever the environment names it.
    """
    both = ("NO_PROXY", "no_proxy")
    kept = [part.strip() for name in both for part in environ.get(name, "").split(",")]
    past = ",".join(dict.fromkeys([*filter(None, kept), *_LOOPBACK]))
    return dict.fromkeys(both, past)
