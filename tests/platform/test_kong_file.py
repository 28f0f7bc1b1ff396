"""Kong's declarative file is one that Kong takes."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from moocflix.entrypoints.gateway import kong
from moocflix.entrypoints.services import SERVICES
from moocflix.platform.auth.keys import PublishedKey
from tests.platform.kong_schema import KongFile

Change = Callable[[dict[str, Any]], object]


def made() -> dict[str, Any]:
    key = PublishedKey.of(Ed25519PrivateKey.generate().public_key()).to_jwk()
    place = kong.KongPlace(
        services={service.name: ("127.0.0.1", 9000) for service in SERVICES},
        body_limit=1_000_000,
        requests_per_minute=1000,
        keys=[{"kid": key.kid, "x": key.x}],
    )
    file: dict[str, Any] = json.loads(json.dumps(kong.config(SERVICES, place)))
    return file


def test_it_fits_kongs_schema() -> None:
    file = msgspec.convert(made(), KongFile)
    routes = [route.name for service in file.services for route in service.routes]
    assert len(set(routes)) == len(routes)
    assert len({service.name for service in file.services}) == len(file.services)
    assert all(len(set(route.methods)) == len(route.methods) for service in file.services for route in service.routes)


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file["services"][0].update(retry=1),
        lambda file: file["services"][0].update(read_timeout=0),
        lambda file: file["services"][0].update(name="all users"),
        lambda file: file["services"][0]["routes"][0].update(strip_paths=False),
        lambda file: file["services"][0]["routes"][0].update(paths=["api"]),
        lambda file: file["services"][0]["routes"][0].update(methods=["get"]),
        lambda file: file["plugins"][0].update(name="correlation"),
        lambda file: file["plugins"][0]["config"].update(generator="uuid7"),
        lambda file: file["plugins"][1]["config"].update(limit_by="everybody"),
        lambda file: file["consumers"][0]["jwt_secrets"][0].update(algorithm="Ed25519"),
        lambda file: file.pop("_format_version"),
    ],
)
def test_the_schema_refuses_what_kong_refuses(change: Change) -> None:
    file = made()
    change(file)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(file, KongFile)


def test_what_a_service_says_of_itself_reaches_the_caller() -> None:
    """Its correlation id, made where the caller's was none, and what its limits leave to this caller."""
    plugins = {plugin["name"]: plugin["config"] for plugin in made()["plugins"]}
    assert plugins["correlation-id"]["echo_downstream"] is False
    assert plugins["rate-limiting"]["hide_client_headers"] is True
