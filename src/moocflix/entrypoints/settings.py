"""Every section of the settings, and their check at the start.

The supervisor and the server's own process read this too: it imports what declares settings, not what uses them.
"""

import re
from typing import Annotated, ClassVar

from msgspec import Meta
from msgspec.structs import fields

from moocflix.entrypoints.gateway.settings import GatewaySettings
from moocflix.platform.cache.settings import CacheSettings
from moocflix.platform.events.settings import EventsSettings, KafkaSettings, RabbitSettings
from moocflix.platform.settings import (
    DatabaseSettings,
    HealthSettings,
    HttpSettings,
    InternalSettings,
    JobsSettings,
    PlatformSettings,
    PostgresSettings,
    SecretsSettings,
    Section,
    Settings,
)
from moocflix.platform.spans import TracesSettings
from moocflix.platform.storage.settings import StorageSettings
from moocflix.services.content.settings import ContentSettings
from moocflix.services.courses.settings import CoursesSettings
from moocflix.services.enrollments.settings import EnrollmentsSettings
from moocflix.services.progress.settings import ProgressSettings
from moocflix.services.users.settings import UsersSettings

_Address = Annotated[str, Meta(pattern=r"^(https?://[^/]+)?$", description="Address of its internal listener.")]


class ServiceSettings(Section, frozen=True, kw_only=True):
    """The internal listeners of services that run as processes of their own; empty: in this very process."""

    section: ClassVar[str] = "service"

    users_url: _Address = ""
    courses_url: _Address = ""
    enrollments_url: _Address = ""
    progress_url: _Address = ""
    content_url: _Address = ""

    def url(self, name: str) -> str:
        """The address of the service of this name; empty where none is set."""
        found: str = getattr(self, f"{name}_url", "")
        return found


SECTIONS: tuple[type[Section], ...] = (
    PlatformSettings,
    HttpSettings,
    InternalSettings,
    HealthSettings,
    DatabaseSettings,
    PostgresSettings,
    SecretsSettings,
    JobsSettings,
    EventsSettings,
    KafkaSettings,
    RabbitSettings,
    StorageSettings,
    CacheSettings,
    TracesSettings,
    ServiceSettings,
    GatewaySettings,
    UsersSettings,
    CoursesSettings,
    EnrollmentsSettings,
    ProgressSettings,
    ContentSettings,
)


_ADDRESSES = "|".join(field.name.removesuffix("_url") for field in fields(ServiceSettings)).upper()
# Read by their names, and not in a section.
_OTHERS = re.compile(
    rf"MOOCFLIX_(CONFIG|SERVES|ADMIN_PASSWORD|SECRET_\w+|DATABASE_({_ADDRESSES})_(DIRECT_|ADMIN_)?URL)"
)


def check_settings(settings: Settings) -> list[str]:
    """Read every section, whoever is going to use it. Raises SettingsError.

    Returns the variables that look like settings and are none. They are no reason not to start: somebody else's may
    begin with the same letters.
    """
    settings.check_names(SECTIONS)
    for kind in SECTIONS:
        settings.of(kind)
    return settings.unknown_variables(SECTIONS, others=_OTHERS)
