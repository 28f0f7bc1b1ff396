"""The store of an installation's files, by the settings."""

from pathlib import Path

from moocflix.platform.secrets import Secrets
from moocflix.platform.settings import PlatformSettings, Settings, SettingsError
from moocflix.platform.storage.local import LocalStorage
from moocflix.platform.storage.port import Storage
from moocflix.platform.storage.s3 import S3Storage
from moocflix.platform.storage.settings import StorageSettings


def open_storage(settings: Settings) -> Storage:
    """The store that the settings name. Raises SettingsError."""
    chosen, platform = settings.of(StorageSettings), settings.of(PlatformSettings)
    if chosen.kind == "s3":
        return _bucket(chosen)
    data = platform.data.expanduser().absolute()
    return LocalStorage(
        Path(chosen.folder) if chosen.folder else data / "files",
        secret=chosen.signing_secret.encode() or Secrets.of(settings).text("file-urls"),
        public_url=platform.public_url.rstrip("/"),
    )


def _bucket(chosen: StorageSettings) -> S3Storage:
    if not chosen.s3_bucket:
        raise SettingsError("Setting MOOCFLIX_STORAGE_S3_BUCKET must name a bucket where MOOCFLIX_STORAGE_KIND is s3.")
    return S3Storage(
        chosen.s3_bucket,
        endpoint=chosen.s3_endpoint,
        region=chosen.s3_region,
        access_key=chosen.s3_access_key,
        secret_key=chosen.s3_secret_key,
        hands_out_urls=chosen.s3_redirects,
    )
