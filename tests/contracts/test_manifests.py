"""The manifests of the how-to are true: their commands, settings, probes and secrets are those of the code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from moocflix.entrypoints.cli import moocflix
from moocflix.entrypoints.secret_files import NEEDED_BY
from moocflix.entrypoints.services import SERVICES
from moocflix.entrypoints.settings import ServiceSettings, check_settings
from moocflix.platform.settings import HealthSettings, HttpSettings, InternalSettings, Settings

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "run-under-an-orchestrator.md"
DOCUMENTS = [
    document
    for block in re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for document in yaml.safe_load_all(block)
]


def with_key(tree: Any, key: str) -> Iterator[dict[str, Any]]:
    """Every mapping below that has this key."""
    if isinstance(tree, dict):
        if key in tree:
            yield tree
        for value in tree.values():
            yield from with_key(value, key)
    elif isinstance(tree, list):
        for value in tree:
            yield from with_key(value, key)


CONTAINERS = list(with_key(DOCUMENTS, "args"))
SETTINGS = Settings(next(with_key(DOCUMENTS, "data"))["data"], {})


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container["name"])
def test_each_container_runs_a_command_that_there_is(container: dict[str, Any]) -> None:
    assert isinstance(moocflix, click.Group)
    name, *words = container["args"]
    moocflix.commands[name].make_context(name, list(words))


def test_the_settings_can_be_used_and_nothing_is_set_that_nobody_reads() -> None:
    own = {variable["name"]: "x" for variable in with_key(DOCUMENTS, "valueFrom")}
    told = Settings({**next(with_key(DOCUMENTS, "data"))["data"], **own}, {})
    assert check_settings(told) == []
    port = told.of(InternalSettings).port
    assert all(told.of(ServiceSettings).url(service.name) == f"http://{service.name}:{port}" for service in SERVICES)


def test_a_probe_asks_where_the_process_answers() -> None:
    ports = {
        "serve": {"/health/ready": SETTINGS.of(HttpSettings).port, "/health/live": SETTINGS.of(HttpSettings).port},
        "work": {"/health/live": SETTINGS.of(HealthSettings).port},
        "relay": {"/health/live": SETTINGS.of(HealthSettings).port},
        "migrate": {},
    }
    for container in CONTAINERS:
        probes = [probe["httpGet"] for probe in with_key(container, "httpGet")]
        assert {probe["path"]: probe["port"] for probe in probes} == ports[container["args"][0]]
    (service,) = [document for document in DOCUMENTS if isinstance(document, dict) and document["kind"] == "Service"]
    open_ = {SETTINGS.of(HttpSettings).port, SETTINGS.of(InternalSettings).port}
    assert {port["port"] for port in service["spec"]["ports"]} == open_


def test_the_secrets_are_some_of_those_that_are_made() -> None:
    keys = [f"service-keys/{name}" for name in ("platform", *(service.name for service in SERVICES))]
    made = {*NEEDED_BY, *(f"{key}.{half}" for key in keys for half in ("key", "pub"))}
    mounted = [item["path"] for item in with_key(DOCUMENTS, "path") if "key" in item]
    assert set(mounted) <= made
    assert {path for path in mounted if path.endswith(".pub")} == {path for path in made if path.endswith(".pub")}
