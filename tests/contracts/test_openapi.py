"""The OpenAPI description: true to the routes, valid, and kept in the repository as it is."""

from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest
import yaml

from moocflix.entrypoints import openapi

SPEC = Path(__file__).parents[2] / "docs" / "api-spec.yaml"
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    """The description that the code makes."""
    described: dict[str, Any] = yaml.safe_load(openapi.text())
    return described


def operations(description: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every operation, named by method and path."""
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in description["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_the_kept_description_is_that_of_the_code(description: dict[str, Any]) -> None:
    assert yaml.safe_load(SPEC.read_text(encoding="utf-8")) == description, "run: make docs"


def test_the_description_is_valid_openapi_3_1(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1")
    openapi_spec_validator.validate(description)


def test_internal_routes_are_not_described(description: dict[str, Any]) -> None:
    assert [path for path in description["paths"] if path.startswith("/internal")] == []


def test_every_operation_says_what_it_does_and_who_may_call_it(description: dict[str, Any]) -> None:
    silent = [
        name
        for name, operation in operations(description)
        if not (operation.get("summary") and operation.get("description") and operation.get("x-who"))
    ]
    assert silent == []


def test_every_operation_belongs_to_a_described_service(description: dict[str, Any]) -> None:
    services = {tag["name"] for tag in description["tags"] if tag.get("description")}
    assert [name for name, operation in operations(description) if not set(operation["tags"]) <= services] == []


def test_operation_ids_are_unique(description: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(description)]
    assert len(ids) == len(set(ids))
