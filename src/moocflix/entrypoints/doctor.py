"""`doctor`: looks at everything that the platform stands on, and says what is wrong with it."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import imageio_ffmpeg

from moocflix.entrypoints.environment_file import settings_here
from moocflix.entrypoints.faults import sentence
from moocflix.entrypoints.migrate import running_database, sources
from moocflix.entrypoints.settings import check_settings
from moocflix.platform import data_folder
from moocflix.platform.errors import OperatorError
from moocflix.platform.migrations import examine_database
from moocflix.platform.postgres_address import running_address
from moocflix.platform.settings import DatabaseSettings, PlatformSettings, Settings, SettingsError
from moocflix.platform.storage.port import Storage
from moocflix.platform.storage.stores import open_storage

_LITTLE_SPACE = 2_000_000_000
_FFMPEG_SECONDS = 20


class Fault(OperatorError):
    """A check that failed; the text says how."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part."""

    part: str
    sound: bool
    says: str


def examine(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Look at one part after the other."""
    try:
        settings = settings_here(environ)
        unknown = check_settings(settings)
    except SettingsError as fault:
        yield Finding("settings", sound=False, says=str(fault))
        return
    says = f"can be used; nothing reads {', '.join(unknown)}" if unknown else "can be used"
    yield Finding("settings", sound=True, says=says)
    checks: dict[str, Callable[[Settings], str]] = {
        "data folder": _data_folder,
        "disk": _disk,
        "database": _database,
        "storage": _storage,
        "ffmpeg": _ffmpeg,
    }
    for part, check in checks.items():
        yield _finding(part, check, settings)


def _finding(part: str, check: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(part, sound=True, says=check(settings))
    except Exception as error:  # noqa: BLE001 - the edge of each check: a fault is what it looks for
        return Finding(part, sound=False, says=sentence(error) or f"{type(error).__name__}: {error}")


def _data_folder(settings: Settings) -> str:
    return f"{data_folder.prepare(settings.of(PlatformSettings).data)} can be written"


def _disk(settings: Settings) -> str:
    folder = settings.of(PlatformSettings).data.expanduser().absolute()
    data_folder.check_space(folder)
    free = shutil.disk_usage(folder).free
    if free < _LITTLE_SPACE:
        raise Fault(f"only {free / 1e9:.1f} GB are free on the disk of {folder}; videos need more")
    return f"{free / 1e9:.1f} GB are free"


def _database(settings: Settings) -> str:
    data = settings.of(PlatformSettings).data
    embedded = not settings.of(DatabaseSettings).url
    runs = not embedded or running_address(data) is not None
    with running_database(settings) as urls:
        state = asyncio.run(examine_database(urls, sources()))
    where = f"PostgreSQL {state.version}" + ("" if runs else " (started for this check alone)")
    if state.waiting:
        raise Fault(f"{where}: {state.waiting} migrations have not run yet; `moocflix migrate` runs them")
    return f"{where}, migrated; {state.connections} of {state.max_connections} connections in use"


def _storage(settings: Settings) -> str:
    asyncio.run(_store_and_read(open_storage(settings)))
    return "a file was stored, read and removed"


async def _store_and_read(storage: Storage) -> None:
    prefix = f"doctor/{uuid4().hex}/"
    content = b"MoocFlix"

    async def chunks() -> AsyncIterator[bytes]:
        yield content

    await storage.put(f"{prefix}file", chunks(), content_type="text/plain")
    read = b"".join([part async for part in storage.read(await storage.head(f"{prefix}file"))])
    await storage.delete_prefix(prefix)
    if read != content:
        raise Fault("what was stored came back changed")


def _ffmpeg(_settings: Settings) -> str:
    program = Path(imageio_ffmpeg.get_ffmpeg_exe())
    source = ["-f", "lavfi", "-i", "testsrc2=d=0.2:s=64x64"]
    done = subprocess.run(
        [str(program), "-hide_banner", "-loglevel", "error", *source, "-c:v", "libx264", "-f", "null", "-"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_FFMPEG_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise Fault(f"{program} cannot encode H.264: {done.stderr.strip()[-200:]}")
    return f"{program.name} encodes H.264"
