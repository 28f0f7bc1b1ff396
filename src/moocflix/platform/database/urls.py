"""Who connects where: a role for each service, one for the bus, one that owns the tables.

All of it follows from one administrator's URL and one secret, from which the roles' passwords are derived: any process
that has both knows every password, and a cluster with several databases has the same roles in each. A service whose
own URL is set (`MOOCFLIX_DATABASE_<SERVICE>_URL`) connects with that one, as it stands.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from moocflix.platform.postgres_address import running_address
from moocflix.platform.secrets import Secrets
from moocflix.platform.settings import DatabaseSettings, PlatformSettings, Settings, SettingsError

DATABASE = "moocflix"
OWNER = "moocflix_owner"
BUS = "moocflix_bus"


class DatabaseAway(SettingsError):
    """The embedded PostgreSQL does not run, and no other is named."""


def role_of(service: str) -> str:
    """The role of a service, which has rights in that service's schema alone."""
    return f"moocflix_{service}"


@dataclass(frozen=True, kw_only=True)
class DatabaseUrls:
    """The URLs of one installation. `admin` is that of a role that may create roles, in the platform's database.

    It is empty where there is none: a process of services with databases of their own has no use for it.
    """

    admin: str = field(repr=False)
    key: bytes = field(repr=False)
    apart: Callable[[str], str | None] = field(default=lambda _variable: None, repr=False)
    """Looks a variable of the environment up."""
    away: str = ""
    """Why there is no `admin`."""

    @classmethod
    def of(cls, settings: Settings) -> "DatabaseUrls":
        """As the settings say. Raises SettingsError for a URL that cannot be one."""
        key = Secrets.of(settings).key("database", purpose="passwords of roles")
        url = settings.of(DatabaseSettings).url
        if url:
            return cls(admin=_checked("MOOCFLIX_DATABASE_URL", url), key=key, apart=settings.value)
        data = settings.of(PlatformSettings).data
        address = running_address(data)
        away = "" if address else f"The embedded database of {data} does not run."
        return cls(admin=address.dsn(DATABASE) if address else "", key=key, apart=settings.value, away=away)

    @property
    def bus(self) -> str:
        """The bus adapter's URL of the platform's database."""
        return self._as(self._shared(), BUS)

    def owner_at(self, url: str) -> str:
        """The URL of the role that owns every schema, in the database that another URL leads to."""
        return self._as(url, OWNER)

    def service(self, name: str) -> str:
        """The URL with which a service connects. Raises DatabaseAway, as the next ones do."""
        own = self._own(name)
        return own or self._as(self._shared(_variable(name)), role_of(name))

    def bus_of(self, name: str) -> str:
        """The bus adapter's URL of the database that holds this service's schema."""
        return self._as(self._own(name) or self._shared(_variable(name)), BUS)

    def listener_of(self, name: str) -> str:
        """The same past a connection pooler, where `MOOCFLIX_DATABASE_<SERVICE>_DIRECT_URL` leads: for LISTEN."""
        return self._as(self._given(name, "DIRECT_URL") or self._own(name) or self._shared(_variable(name)), BUS)

    def admin_of(self, name: str) -> str:
        """The administrator's URL of the database that holds this service's schema; migrations alone need it."""
        place = self._given(name, "DIRECT_URL") or self._own(name)
        if place is None:
            return self._shared(_variable(name))
        return self._given(name, "ADMIN_URL") or _at(self._shared(_variable(name, "ADMIN_URL")), place)

    def password(self, role: str) -> str:
        """A role's password, the same in every process and database."""
        return hmac.new(self.key, role.encode(), hashlib.sha256).hexdigest()

    def _shared(self, *instead: str) -> str:
        """The administrator's URL, where none of the variables `instead` was set. Raises DatabaseAway."""
        if not self.admin:
            variables = " or ".join(["MOOCFLIX_DATABASE_URL", *instead])
            raise DatabaseAway(f"{self.away} Start the platform with `moocflix up`, or set {variables}.")
        return self.admin

    def _own(self, name: str) -> str | None:
        return self._given(name, "URL")

    def _given(self, name: str, kind: str) -> str | None:
        variable = _variable(name, kind)
        url = self.apart(variable)
        return _checked(variable, url) if url else None

    def _as(self, url: str, role: str) -> str:
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{role}:{self.password(role)}@{place}"))


def database_name(url: str) -> str:
    """The database that a URL leads to."""
    return unquote(urlsplit(url).path.lstrip("/"))


def credentials(url: str) -> tuple[str, str]:
    """The role and the password in a URL."""
    parts = urlsplit(url)
    return unquote(parts.username or ""), unquote(parts.password or "")


def server_of(url: str) -> tuple[str, ...]:
    """What tells one server from another: two URLs with the same answer share their roles."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    return (parts.hostname or query.get("host", ""), str(parts.port or query.get("port", 5432)))


def has_own(settings: Settings, service: str) -> bool:
    """Whether this service has a database of its own, by the settings."""
    return bool(settings.value(_variable(service)))


def origin_of_password(service: str | None) -> str:
    """Where the password of a service's role comes from, or that of one which all have in common."""
    own = "" if service is None else f"stands in {_variable(service)} or, where that is not set, "
    return f"{own}follows from the secret `database`"


def _variable(service: str, kind: str = "URL") -> str:
    return f"MOOCFLIX_DATABASE_{service.upper()}_{kind}"


def _at(admin: str, url: str) -> str:
    """The administrator's name and password at the place of another URL."""
    place = urlsplit(url)
    who = urlsplit(admin).netloc.rpartition("@")[0]
    query = urlencode(parse_qsl(place.query), safe="/")
    return urlunsplit(place._replace(netloc=f"{who}@{place.netloc.rpartition('@')[2]}", query=query))


def _checked(variable: str, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.username or not parts.path.strip("/"):
        form = "postgresql://role:password@host:port/database"  # pragma: allowlist secret
        raise SettingsError(f"{variable} must look like {form}.")
    return url
