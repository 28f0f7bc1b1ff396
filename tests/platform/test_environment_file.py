"""Commands that are given by hand find the distributed platform that runs on their data folder."""

import os
from pathlib import Path

from moocflix.entrypoints import environment_file
from moocflix.platform.settings import DatabaseSettings, HttpSettings


def here(data: Path, **variables: str) -> dict[str, str]:
    return {"MOOCFLIX_DATA": str(data), "MOOCFLIX_CONFIG": os.devnull, **variables}


def running(data: Path) -> Path:
    (data / "run").mkdir()
    file = data / "run" / environment_file.NAME
    settings = {"MOOCFLIX_DATABASE_URL": "postgresql://a@here/b", "MOOCFLIX_HTTP_BODY_LIMIT": "5000", "PATH": "/bin"}
    environment_file.write(file, settings)
    return file


def test_what_runs_on_the_folder_says_where_its_database_is(tmp_path: Path) -> None:
    assert environment_file.settings_here(here(tmp_path)).of(DatabaseSettings).url == ""
    file = running(tmp_path)
    found = environment_file.settings_here(here(tmp_path))
    assert found.of(DatabaseSettings).url == "postgresql://a@here/b"
    assert found.value("PATH") is None
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_the_command_is_told_itself_goes_first(tmp_path: Path) -> None:
    running(tmp_path)
    told = environment_file.settings_here(here(tmp_path, MOOCFLIX_HTTP_BODY_LIMIT="6000"))
    assert told.of(HttpSettings).body_limit == 6000
    elsewhere = environment_file.settings_here(here(tmp_path, MOOCFLIX_DATABASE_URL="postgresql://c@there/d"))
    assert elsewhere.of(DatabaseSettings).url == "postgresql://c@there/d"
