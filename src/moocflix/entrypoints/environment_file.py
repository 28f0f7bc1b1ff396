"""Settings of another process, as a file with a line `MOOCFLIX_…=value` for each."""

from collections.abc import Mapping
from pathlib import Path

from moocflix.platform.files import write_whole
from moocflix.platform.settings import DatabaseSettings, PlatformSettings, Settings, SettingsError, load

NAME = "distributed.env"


def read(file: Path) -> dict[str, str]:
    """The variables. Raises SettingsError for a line that sets none."""
    environ = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.startswith("MOOCFLIX_"):
            raise SettingsError(
                f"{file} must have lines such as MOOCFLIX_DATABASE_URL=postgresql://…, and has {text!r}."
            )
        environ[name] = value.strip().strip("\"'")
    return environ


def write(file: Path, environ: Mapping[str, str]) -> None:
    """Those of the variables that are settings, for their owner's eyes: there are passwords among them."""
    lines = [f"{name}={value}\n" for name, value in environ.items() if name.startswith("MOOCFLIX_")]
    write_whole(file, "".join(lines), mode=0o600)


def settings_here(environ: Mapping[str, str]) -> Settings:
    """The settings of a command given by hand: with those of the distributed platform that runs on its data folder.

    Raises SettingsError.
    """
    settings = load(environ=environ)
    file = settings.of(PlatformSettings).data.expanduser() / "run" / NAME
    if settings.of(DatabaseSettings).url or not file.exists():
        return settings
    return load(environ={**read(file), **environ})
