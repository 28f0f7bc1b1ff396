"""What a gateway needs to know beside the routes."""

from typing import Annotated, ClassVar

from msgspec import Meta

from moocflix.platform.settings import Section, SettingsError

_Address = Annotated[
    str, Meta(pattern=r"^(http://[^/]+:[0-9]+)?$", description="Address of its public listener, for the gateway.")
]


class GatewaySettings(Section, frozen=True, kw_only=True):
    """The gateway in front of services that run as processes of their own; read by `moocflix gateway` alone."""

    section: ClassVar[str] = "gateway"

    users_url: _Address = ""
    courses_url: _Address = ""
    enrollments_url: _Address = ""
    progress_url: _Address = ""
    content_url: _Address = ""
    requests_per_second: Annotated[
        int, Meta(ge=1, description="Most requests a second of everybody together; the services limit each caller.")
    ] = 2000

    def addresses(self, names: list[str]) -> dict[str, tuple[str, int]]:
        """Host and port of each service. Raises SettingsError where one is missing."""
        found = {}
        for name in names:
            url: str = getattr(self, f"{name}_url", "")
            if not url:
                raise SettingsError(f"MOOCFLIX_GATEWAY_{name.upper()}_URL must say where {name} answers.")
            host, _, port = url.removeprefix("http://").rpartition(":")
            found[name] = host, int(port)
        return found
