"""What several server processes share, and what the person who starts them has said of it."""

from pathlib import Path

import pytest

from moocflix.entrypoints.server_group import ServerGroup
from moocflix.platform.settings import Settings, load


def settings_of(folder: Path, text: str, **variables: str) -> Settings:
    file = folder / "moocflix.toml"
    file.write_text(text)
    return load(environ=variables, file=file)


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ('[cache]\nurl = "redis://cache:6379"\n[http]\ncache_seconds = 1.0', {}),
        ("", {"MOOCFLIX_CACHE_URL": "redis://cache:6379", "MOOCFLIX_HTTP_CACHE_SECONDS": "1.0"}),
    ],
)
def test_what_was_set_is_left_alone(tmp_path: Path, text: str, variables: dict[str, str]) -> None:
    group = ServerGroup(settings_of(tmp_path, text, **variables), tmp_path, workers=2)
    assert group.commands == {}
    assert group.environ == {}


def test_what_was_not_set_is_made_for_them(tmp_path: Path) -> None:
    group = ServerGroup(settings_of(tmp_path, "[http]\nport = 9000"), tmp_path, workers=2)
    assert group.commands.keys() == {"valkey"}
    assert group.environ["MOOCFLIX_CACHE_URL"].startswith("redis://:")
