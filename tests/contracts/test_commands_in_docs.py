"""Every command that a page shows is there, with the options that it shows."""

import re

import click
import pytest

from moocflix.entrypoints.asyncapi import asyncapi
from moocflix.entrypoints.cli import moocflix
from moocflix.entrypoints.demo.command import demo
from moocflix.entrypoints.events_command import events
from moocflix.entrypoints.gateway.command import gateway
from moocflix.entrypoints.move import move
from moocflix.entrypoints.users import users
from tests.contracts.test_docs import PAGES, ROOT

# Those of which the command line knows the name alone.
HANDED_ON = {"asyncapi": asyncapi, "demo": demo, "events": events, "gateway": gateway, "move": move, "users": users}
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"(?<![\w/.-])(?:\.venv/bin/)?moocflix +([a-z-][^`\x22\n#|>&;,)]*)")


def commands() -> list[tuple[str, str]]:
    """What is shown, and on which page."""
    return sorted(
        {
            (" ".join(shown.split()), str(page.relative_to(ROOT)))
            for page in PAGES
            for code in CODE.findall(page.read_text(encoding="utf-8"))
            for shown in SHOWN.findall(code)
        }
    )


def options_of(command: click.Command) -> set[str]:
    return {"--help", "--version"} | {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize(("shown", "page"), commands())
def test_a_command_on_a_page_is_there(shown: str, page: str) -> None:
    command: click.Command = moocflix
    words = shown.split()
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        assert words[0] in command.commands, page
        command = HANDED_ON.get(words[0], command.commands[words[0]])
        del words[0]
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options_of(command), page
