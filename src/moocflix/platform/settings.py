"""Settings: typed sections, read once, from the environment and `config/moocflix.toml`.

A section's fields are set by `MOOCFLIX_<SECTION>_<FIELD>` or by the file's table of the section's name; the
environment wins. A bad value stops the start with a sentence that names it. `docs/configuration.md` lists all.
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from re import Pattern
from typing import Annotated, Any, ClassVar, Literal, TypeVar, cast

import msgspec
from msgspec import Meta
from msgspec.structs import fields

from moocflix.platform.errors import OperatorError
from moocflix.platform.networks import Networks

PREFIX = "MOOCFLIX_"
SHORT_FORMS = {"MOOCFLIX_PORT": "MOOCFLIX_HTTP_PORT", "MOOCFLIX_DATA": "MOOCFLIX_PLATFORM_DATA"}


class SettingsError(OperatorError):
    """A setting that cannot be used."""


class SecretText(str):
    """A setting that never shows itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'" if self else "''"


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named part of the settings; each field has a default and a description."""

    section: ClassVar[str]


S = TypeVar("S", bound=Section)


class PlatformSettings(Section, frozen=True, kw_only=True):
    """What every process needs."""

    section: ClassVar[str] = "platform"

    data: Annotated[Path, Meta(description="Folder of the embedded database, files, secrets and logs.")] = Path(
        ".moocflix"
    )
    environment: Annotated[
        Literal["development", "production"],
        Meta(description="In production nothing is made up: the secrets and public_url must be set."),
    ] = "development"
    public_url: Annotated[
        str, Meta(description="The address under which users reach the platform; empty: http://host:port.")
    ] = ""

    def __post_init__(self) -> None:
        """Make no address up in production. Raises ValueError, of which the reader makes a SettingsError."""
        if self.environment == "production" and not self.public_url:
            raise ValueError("in production public_url must say under which address users reach the platform")


class HttpSettings(Section, frozen=True, kw_only=True):
    """The public listener."""

    section: ClassVar[str] = "http"

    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="Port to listen on.")] = 8000
    workers: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="Server processes that share the port; above one, set cache.url too, and leave internal.port.",
        ),
    ] = 1
    body_limit: Annotated[
        int, Meta(ge=1024, description="Largest body of an ordinary request, in bytes; uploads have their own.")
    ] = 1_048_576
    body_seconds: Annotated[
        float,
        Meta(
            ge=0.1,
            description="How long nothing may come of a body before its connection is closed; twice as long the whole "
            "body may take, but for an upload, which may go on.",
        ),
    ] = 30.0
    cors_origins: Annotated[
        list[str], Meta(description="Origins whose pages may call the API (CORS); `*` for all; comma separated.")
    ] = []
    trusted_proxies: Annotated[
        list[str],
        Meta(description="Addresses or networks (10.0.0.0/8) whose X-Forwarded-For is believed; comma separated."),
    ] = []
    metrics_from: Annotated[
        list[str],
        Meta(description="Addresses or networks, beside this machine, that may read /metrics; comma separated."),
    ] = []
    api_limit: Annotated[int, Meta(ge=1, description="Requests a minute for each user or anonymous address.")] = 100
    auth_limit: Annotated[int, Meta(ge=1, description="Logins and signups a minute for each address.")] = 20
    media_limit: Annotated[int, Meta(ge=1, description="Playlists and segments a minute for each playback token.")] = (
        1200
    )
    cache_seconds: Annotated[
        float,
        Meta(ge=0, description="How long a public page may be kept, in the process or at `cache.url`; 0 turns it off."),
    ] = 1.0
    log_requests: Annotated[bool, Meta(description="One line for each request.")] = True

    def __post_init__(self) -> None:
        """Refuse what would match nobody. Raises ValueError, of which the reader makes a SettingsError."""
        for field in ("trusted_proxies", "metrics_from"):
            try:
                Networks(getattr(self, field))
            except ValueError as error:
                raise ValueError(f"{field}: {error}") from None


class InternalSettings(Section, frozen=True, kw_only=True):
    """The listener for other services; no gateway leads to it."""

    section: ClassVar[str] = "internal"

    host: Annotated[str, Meta(description="Address to listen on for internal calls.")] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65535, description="Port of the internal routes; 0: none, as where one process serves all.")
    ] = 0


class HealthSettings(Section, frozen=True, kw_only=True):
    """Where a worker or a relay, which have no routes, say that they live."""

    section: ClassVar[str] = "health"

    host: Annotated[str, Meta(description="Address to listen on for probes.")] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65535, description="Port that answers `/health/live` and, in a worker, `/metrics`; 0: none.")
    ] = 0


class DatabaseSettings(Section, frozen=True, kw_only=True):
    """PostgreSQL."""

    section: ClassVar[str] = "database"

    url: Annotated[
        SecretText, Meta(description="A PostgreSQL URL of a role that may create roles; empty: the embedded server.")
    ] = SecretText("")
    pool_size: Annotated[int, Meta(ge=1, le=100, description="Most connections of one service in one process.")] = 4
    idle_seconds: Annotated[int, Meta(ge=1, description="After how long an unused connection is let go.")] = 60
    statement_seconds: Annotated[int, Meta(ge=1, description="Longest time that a statement may take.")] = 30


class PostgresSettings(Section, frozen=True, kw_only=True):
    """The embedded PostgreSQL; read only where `database.url` is empty."""

    section: ClassVar[str] = "postgres"

    bin_dir: Annotated[str, Meta(description="Folder of PostgreSQL's programs; empty: the installed package's.")] = ""
    shared_buffers: Annotated[str, Meta(pattern=r"^[0-9]+(kB|MB|GB)$", description="PostgreSQL's own page cache.")] = (
        "64MB"
    )
    max_connections: Annotated[int, Meta(ge=20, le=10000, description="Most connections at once.")] = 100


class SecretsSettings(Section, frozen=True, kw_only=True):
    """Where the platform's own secrets are; a variable `MOOCFLIX_SECRET_<NAME>` comes before the file of that name."""

    section: ClassVar[str] = "secrets"

    folder: Annotated[
        str, Meta(description="Folder with a file for each secret; empty: `secrets` in the data folder.")
    ] = ""


class JobsSettings(Section, frozen=True, kw_only=True):
    """Background work."""

    section: ClassVar[str] = "jobs"

    concurrency: Annotated[int, Meta(ge=1, le=64, description="Jobs of one service that a worker runs at once.")] = 2
    done_days: Annotated[int, Meta(ge=1, description="How long finished jobs are kept; dead ones stay.")] = 7


class Settings:
    """All sections, each read and checked once."""

    def __init__(self, environ: Mapping[str, str], tables: Mapping[str, Any]) -> None:
        """`environ` holds full names, `tables` the file's tables by section."""
        self._environ = {SHORT_FORMS.get(name, name): value for name, value in environ.items()}
        self._environ.update({name: environ[name] for name in SHORT_FORMS.values() if name in environ})
        self._tables = tables
        self._sections: dict[type[Section], Section] = {}

    def of(self, kind: type[S]) -> S:
        """The section of this type. Raises SettingsError, with a sentence that names the bad setting."""
        if kind not in self._sections:
            self._sections[kind] = self._read(kind)
        return cast("S", self._sections[kind])

    def value(self, name: str) -> str | None:
        """One variable of the environment by its full name, for names that are not known beforehand."""
        return self._environ.get(name)

    def names(self, variable: str) -> bool:
        """Whether somebody has set it, be it to its default; the variable need not be one that is known."""
        section, _, field = variable.removeprefix(PREFIX).lower().partition("_")
        return variable in self._environ or field in self._tables.get(section, {})

    def check_names(self, kinds: Iterable[type[Section]]) -> None:
        """Refuse what the file sets and no section knows. Raises SettingsError."""
        known = {kind.section: {field.name for field in fields(kind)} for kind in kinds}
        for table, values in self._tables.items():
            if table not in known or not isinstance(values, Mapping):
                raise SettingsError(f"The settings file has {table!r}, and there is no such table.")
            for name in values.keys() - known[table]:
                raise SettingsError(f"The settings file has {name!r} in [{table}], and there is no such setting.")

    def unknown_variables(self, kinds: Iterable[type[Section]], *, others: Pattern[str]) -> list[str]:
        """Variables that look like settings and are none; `others` matches those that belong to no section."""
        known = {_variable(kind, field.name) for kind in kinds for field in fields(kind)}
        ours = {name for name in self._environ if name.startswith(PREFIX)} - known - SHORT_FORMS.keys()
        return sorted(name for name in ours if not others.fullmatch(name))

    def _read(self, kind: type[S]) -> S:
        values: dict[str, Any] = dict(self._tables.get(kind.section, {}))
        for field in fields(kind):
            text = self._environ.get(_variable(kind, field.name))
            if text is not None:
                values[field.name] = _parts(text) if _is_list(field.type) else text
        try:
            return msgspec.convert(values, kind, strict=False, dec_hook=_decode, str_keys=True)
        except msgspec.ValidationError as error:
            reason, _, place = str(error).partition(" - at `$.")
            setting = _variable(kind, place.rstrip("`").split("[")[0]) if place else kind.section
            raise SettingsError(f"Setting {setting} cannot be used: {reason}.") from None


def load(*, environ: Mapping[str, str], file: Path | None = None) -> Settings:
    """Read the environment and, where it is there, the file. Raises SettingsError."""
    path = file or Path(environ.get("MOOCFLIX_CONFIG", "config/moocflix.toml"))
    if not path.exists():
        if file is not None or "MOOCFLIX_CONFIG" in environ:
            raise SettingsError(f"The settings file {path} is not there.")
        return Settings(environ, {})
    try:
        return Settings(environ, tomllib.loads(path.read_text()))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error}.") from error


def _variable(kind: type[Section], field: str) -> str:
    return f"{PREFIX}{kind.section}_{field}".upper()


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _is_list(kind: Any) -> bool:
    inner = getattr(kind, "__origin__", kind)
    return inner is list or getattr(inner, "__origin__", None) is list


def _decode(kind: type[Any], value: Any) -> Any:
    if kind in {Path, SecretText}:
        return kind(value)
    raise NotImplementedError(f"cannot read {kind}")
