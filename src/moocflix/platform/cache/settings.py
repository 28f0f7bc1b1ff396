"""Where processes keep for a moment what they share, by the settings."""

from typing import Annotated, ClassVar

from msgspec import Meta

from moocflix.platform.settings import SecretText, Section


class CacheSettings(Section, frozen=True, kw_only=True):
    """What processes share for a moment."""

    section: ClassVar[str] = "cache"

    url: Annotated[
        SecretText,
        Meta(
            description="A Valkey or Redis server where all processes count requests together and keep public pages, "
            "`redis://host:port` or `unix:///path`; empty: each does so for itself."
        ),
    ] = SecretText("")
