"""Where processes keep for a moment what they share, by the settings."""

from typing import Annotated, ClassVar

from msgspec import Meta

from moocflix.platform.cache.limiter import Limiter, MemoryLimiter
from moocflix.platform.cache.valkey import ClientMissing, ValkeyLimiter
from moocflix.platform.settings import SecretText, Section, Settings, SettingsError


class CacheSettings(Section, frozen=True, kw_only=True):
    """What processes share for a moment."""

    section: ClassVar[str] = "cache"

    url: Annotated[
        SecretText,
        Meta(
            description="A Valkey or Redis server where all processes count requests together, `redis://host:port` "
            "or `unix:///path`; empty: each counts for itself."
        ),
    ] = SecretText("")


def open_limiter(settings: Settings) -> Limiter:
    """The limiter that the settings name. Raises SettingsError."""
    url = settings.of(CacheSettings).url
    if not url:
        return MemoryLimiter()
    try:
        return ValkeyLimiter(url, instead=MemoryLimiter())
    except ClientMissing:
        message = "Setting MOOCFLIX_CACHE_URL needs a Python package: pip install 'moocflix[distributed]'."
        raise SettingsError(message) from None
    except ValueError as error:
        raise SettingsError(f"Setting MOOCFLIX_CACHE_URL cannot be used: {error}.") from None
