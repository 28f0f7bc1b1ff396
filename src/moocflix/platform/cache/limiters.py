"""The limiter of a process, by the settings."""

from moocflix.platform.cache.limiter import Limiter, MemoryLimiter
from moocflix.platform.cache.settings import CacheSettings
from moocflix.platform.cache.valkey import ClientMissing, ValkeyLimiter
from moocflix.platform.settings import Settings, SettingsError


def open_limiter(settings: Settings) -> Limiter:
    """The limiter that the settings name. Raises SettingsError."""
    url = settings.of(CacheSettings).url
    if not url:
        return MemoryLimiter()
    try:
        return ValkeyLimiter(url, instead=MemoryLimiter())
    except ClientMissing:
        raise SettingsError(
            "Setting MOOCFLIX_CACHE_URL needs a Python package: pip install 'moocflix[distributed]'."
        ) from None
    except ValueError as error:
        raise SettingsError(f"Setting MOOCFLIX_CACHE_URL cannot be used: {error}.") from None
