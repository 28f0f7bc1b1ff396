"""Settings: every one is read at the start, whoever uses it later."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from moocflix.entrypoints.settings import SECTIONS, check_settings
from moocflix.platform.settings import HttpSettings, PlatformSettings, Settings, SettingsError, load
from moocflix.services.content.settings import ContentSettings
from moocflix.services.users.settings import UsersSettings
from tests.contracts.configuration_page import sections


def moocflix(*words: str, data: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MOOCFLIX_")}
    environ = {**kept, "MOOCFLIX_CONFIG": os.devnull, "MOOCFLIX_DATA": str(data), **variables}
    command = [sys.executable, "-m", "moocflix", *words]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def test_every_section_that_is_declared_is_read_at_the_start() -> None:
    assert set(SECTIONS) == set(sections())


@pytest.mark.parametrize("command", ["up", "distributed", "serve", "work", "relay", "migrate"])
def test_a_bad_value_stops_the_start_with_a_sentence(tmp_path: Path, command: str) -> None:
    done = moocflix(command, data=tmp_path / "data", MOOCFLIX_ENROLLMENTS_BATCH="0")
    assert done.returncode == 1
    assert done.stderr == "moocflix: Setting MOOCFLIX_ENROLLMENTS_BATCH cannot be used: Expected `int` >= 1.\n"
    assert not (tmp_path / "data").exists()


def test_an_ended_session_is_remembered_for_longer_than_a_player_may_go_on() -> None:
    longest = 24 * 3600
    load(environ={"MOOCFLIX_CONTENT_PLAYBACK_SECONDS": str(longest)}).of(ContentSettings)
    with pytest.raises(SettingsError, match="<= 86400"):
        load(environ={"MOOCFLIX_CONTENT_PLAYBACK_SECONDS": str(longest + 1)}).of(ContentSettings)
    with pytest.raises(SettingsError, match=r"MOOCFLIX_USERS_REVOCATION_HOURS cannot be used: Expected `int` >= 25"):
        load(environ={"MOOCFLIX_USERS_REVOCATION_HOURS": str(longest // 3600)}).of(UsersSettings)


def test_reading_all_settings_loads_nothing_that_only_their_users_need() -> None:
    heavy = "{'asyncpg', 'cryptography', 'httpx', 'litestar', 'opentelemetry', 'redis'}"
    code = f"import sys, moocflix.entrypoints.settings; print({heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[htpp]\nport = 1", "has 'htpp', and there is no such table."),
        ("port = 1", "has 'port', and there is no such table."),
        ("http = 1", "has 'http', and there is no such table."),
        ("[http]\nprot = 1", "has 'prot' in [http], and there is no such setting."),
    ],
)
def test_a_misspelt_name_in_the_file_stops_the_start(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "moocflix.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as raised:
        check_settings(load(environ={}, file=file))
    assert str(raised.value) == f"The settings file {says}"


def test_a_variable_that_nothing_reads_is_named_and_stops_nothing(tmp_path: Path) -> None:
    done = moocflix("relay", data=tmp_path, MOOCFLIX_HTTP_PROT="80")
    assert done.stderr.splitlines() == [
        "moocflix: There is no setting MOOCFLIX_HTTP_PROT; nothing reads it.",
        "moocflix: There is nothing to relay: events.bus is postgres, where the outboxes are the log.",
    ]


def test_every_variable_that_is_read_is_known() -> None:
    assert unknown("SECRET_SEAL", "DATABASE_USERS_URL", "DATABASE_USERS_DIRECT_URL", "DATABASE_USERS_ADMIN_URL") == []
    assert unknown("PORT", "DATA", "CONFIG", "ADMIN_PASSWORD", "SERVES", "HTTP_PORT", "CONTENT_TRANSCODER") == []
    assert unknown("DATABASE_USRES_URL", "SECRET") == ["MOOCFLIX_DATABASE_USRES_URL", "MOOCFLIX_SECRET"]


def test_production_makes_no_address_up() -> None:
    production = {"MOOCFLIX_PLATFORM_ENVIRONMENT": "production"}
    with pytest.raises(SettingsError, match="in production public_url must say under which address"):
        Settings(production, {}).of(PlatformSettings)
    reached = Settings({**production, "MOOCFLIX_PLATFORM_PUBLIC_URL": "https://moocflix.example"}, {})
    assert reached.of(PlatformSettings).public_url == "https://moocflix.example"


@pytest.mark.parametrize("field", ["trusted_proxies", "metrics_from"])
@pytest.mark.parametrize(("value", "says"), [("proxy.example", "'proxy.example'"), ("10.0.0.1/8", "host bits set")])
def test_what_is_no_address_and_no_network_stops_the_start(field: str, value: str, says: str) -> None:
    settings = Settings({f"MOOCFLIX_HTTP_{field}".upper(): f"127.0.0.1,{value}"}, {})
    with pytest.raises(SettingsError, match=rf"http cannot be used: {field}: .*{says}.*; expected an address or a"):
        settings.of(HttpSettings)


def test_processes_that_share_a_port_have_no_internal_one(tmp_path: Path) -> None:
    done = moocflix("serve", data=tmp_path, MOOCFLIX_HTTP_WORKERS="2", MOOCFLIX_INTERNAL_PORT="9000")
    assert done.returncode == 1
    assert done.stderr.startswith("moocflix: Settings http.workers and internal.port do not go together: ")


def unknown(*names: str) -> list[str]:
    # Values that each of them takes.
    values = {"PORT": "1", "HTTP_PORT": "1", "CONTENT_TRANSCODER": "own"}
    return check_settings(Settings({f"MOOCFLIX_{name}": values.get(name, "x") for name in names}, {}))
