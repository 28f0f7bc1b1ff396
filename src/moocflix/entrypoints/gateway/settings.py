"""What a gateway needs to know beside the routes."""

from typing import Annotated, ClassVar

from msgspec import Meta

from moocflix.platform.settings import Section

_Address = Annotated[
    str, Meta(pattern=r"^http://[^/]+:[0-9]+$", description="Address of its public listener, for the gateway.")
]


class GatewaySettings(Section, frozen=True, kw_only=True):
    """The gateway in front of services that run as processes of their own; read by `moocflix gateway` alone."""

    section: ClassVar[str] = "gateway"

    users_url: _Address = "http://users:8000"
    courses_url: _Address = "http://courses:8000"
    enrollments_url: _Address = "http://enrollments:8000"
    progress_url: _Address = "http://progress:8000"
    content_url: _Address = "http://content:8000"
    requests_per_second: Annotated[
        int,
        Meta(
            ge=1,
            description="Most requests a second of everybody together (Kong: to each of its services); the services "
            "limit each caller.",
        ),
    ] = 2000

    def addresses(self, names: list[str]) -> dict[str, tuple[str, int]]:
        """Host and port of each service."""
        found = {}
        for name in names:
            url: str = getattr(self, f"{name}_url")
            host, _, port = url.removeprefix("http://").rpartition(":")
            found[name] = host, int(port)
        return found
