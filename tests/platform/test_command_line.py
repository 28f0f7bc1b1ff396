"""The command line: help that answers at once, and sentences instead of tracebacks."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from moocflix.entrypoints.cli import moocflix

COMMANDS = [
    "up", "serve", "work", "migrate", "users", "users create-admin", "users block", "users unblock", "users role",
    "secrets", "openapi", "doctor", "demo", "events",
    "events list", "events lag", "events rewind", "events after-restore", "events dead", "events dead list",
    "events dead replay", "events dead drop",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str) -> None:
    shown = CliRunner().invoke(moocflix, [*command.split(), "--help"], prog_name="moocflix")
    assert shown.exit_code == 0, shown.output
    assert f"Usage: moocflix {command}" in shown.output


def test_help_loads_neither_framework_nor_driver() -> None:
    code = "import sys, moocflix.entrypoints.cli; print({'litestar', 'asyncpg', 'msgspec', 'rich'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_service_that_is_not_there_is_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "moocflix", "serve", "nothing"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("moocflix: There is no service 'nothing'; there are users, ")
    assert done.stderr.count("\n") == 1


def test_every_topic_is_listed_with_who_publishes_it() -> None:
    listed = CliRunner().invoke(moocflix, ["events", "list"])
    lines = [line.split() for line in listed.output.splitlines()]
    assert ["Course-Creation", "courses"] in [words[:2] for words in lines]


@pytest.mark.parametrize("limit", ["-1", "0", "100001"])
def test_a_number_of_dead_letters_that_cannot_be_is_refused(limit: str) -> None:
    refused = CliRunner().invoke(moocflix, ["events", "dead", "list", "--limit", limit])
    assert refused.exit_code == 2
    assert "is not in the range 1<=x<=100000" in refused.output


def test_dead_letters_are_not_dropped_by_mistake() -> None:
    refused = CliRunner().invoke(moocflix, ["events", "dead", "drop", "users", "--yes"])
    assert refused.exit_code == 2
    assert "Name messages by their IDs, or say --topic or --all." in refused.output
