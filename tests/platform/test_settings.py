"""Settings: every one is read at the start, whoever uses it later."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from moocflix.entrypoints.settings import SECTIONS
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


def test_reading_all_settings_loads_nothing_that_only_their_users_need() -> None:
    heavy = "{'asyncpg', 'cryptography', 'httpx', 'litestar', 'opentelemetry', 'redis'}"
    code = f"import sys, moocflix.entrypoints.settings; print({heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
