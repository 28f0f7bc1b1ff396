"""The gateway's generated configuration, in a running Envoy before services that only say who they are."""

import asyncio
import json
import re
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from moocflix.entrypoints.gateway import envoy as envoy_file
from moocflix.entrypoints.gateway import kong as kong_file
from moocflix.entrypoints.gateway.table import public_paths
from moocflix.entrypoints.services import SERVICES
from moocflix.platform.auth.keys import PublishedKey
from moocflix.platform.auth.tokens import AUDIENCE, ISSUER
from moocflix.platform.http import system
from moocflix.platform.http.routes import route_of
from moocflix.platform.local_servers import envoy
from moocflix.platform.local_servers.child import free_port

KEY = Ed25519PrivateKey.generate()
PUBLISHED = PublishedKey.of(KEY.public_key()).to_jwk()
BODY_LIMIT = 100_000
SOME_ID = str(uuid4())


@dataclass(frozen=True)
class PublicRoute:
    """One method of one public path."""

    method: str
    template: str
    service: str
    signed_in: bool

    @property
    def path(self) -> str:
        whole = re.sub(r"\{[a-z_]+:path\}", "some/file.m4s", self.template)
        return re.sub(r"\{[a-z_]+(:[a-z]+)?\}", SOME_ID, whole)


def public_routes() -> list[PublicRoute]:
    """Straight from the services' declarations, not by way of what makes the gateway's files."""
    found = []
    for service in SERVICES:
        for handler in service.routes:
            route = route_of(handler)
            assert route is not None
            if not route.who.services:
                found += [
                    PublicRoute(method, template, service.name, not route.who.anonymous)
                    for method in handler.http_methods
                    for template in handler.paths
                ]
    return found


def internal_paths() -> list[str]:
    handlers = [handler for service in SERVICES for handler in service.routes]
    templates = [template for handler in handlers for template in handler.paths if template.startswith("/internal")]
    return [re.sub(r"\{[a-z_]+(:[a-z]+)?\}", SOME_ID, template) for template in templates]


def token(**claims: Any) -> str:
    now = datetime.now(UTC)
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": str(uuid4()), "exp": now + timedelta(minutes=5), **claims}
    return jwt.encode(said, KEY, algorithm="EdDSA", headers={"kid": PUBLISHED.kid})


async def _answer(name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One service that answers every request with its own name and what it was asked."""
    try:
        while head := (await reader.readuntil(b"\r\n\r\n")).decode():
            length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
            if length:
                await reader.readexactly(int(length[1]))
            pause = re.search(r"x-pause: (\S+)", head, re.IGNORECASE)
            await asyncio.sleep(float(pause[1]) if pause else 0)
            said = re.search(r"x-correlation-id: (\S+)", head, re.IGNORECASE)
            hops = re.findall(r"x-forwarded-for: (.*)\r\n", head, re.IGNORECASE)
            seen = {"service": name, "request": head.split("\r\n")[0], "correlation": said and said[1], "hops": hops}
            keys = {"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": PUBLISHED.kid, "x": PUBLISHED.x}]}
            body = json.dumps(keys if "/.well-known/" in head else seen).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
            writer.write(b"content-length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


class Services:
    """A server for each service; one can be killed."""

    def __init__(self) -> None:
        self.places: dict[str, tuple[str, int]] = {}
        self._servers: dict[str, asyncio.Server] = {}
        self._connections: dict[str, list[asyncio.StreamWriter]] = {}

    async def start(self) -> None:
        for service in SERVICES:

            async def serve(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str = service.name
            ) -> None:
                self._connections.setdefault(name, []).append(writer)
                await _answer(name, reader, writer)

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            self._servers[service.name] = server
            self.places[service.name] = ("127.0.0.1", server.sockets[0].getsockname()[1])

    def kill(self, name: str) -> None:
        self._servers[name].close()
        for writer in self._connections.get(name, []):
            writer.close()

    def close(self) -> None:
        for name in self._servers:
            self.kill(name)


@asynccontextmanager
async def services_behind(folder: Path, **told: Any) -> AsyncIterator[tuple[Services, httpx.AsyncClient]]:
    """Services, and a client of a gateway in front of them, which is `told` more of its place."""
    services, port = Services(), free_port()
    await services.start()
    told = {"body_limit": BODY_LIMIT, "body_seconds": 30, "requests_per_second": 5000, **told}
    place = envoy_file.EnvoyPlace(host="127.0.0.1", port=port, services=services.places, **told)
    config = folder / "envoy.json"
    config.write_text(json.dumps(envoy_file.config(SERVICES, place)))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(envoy.command(config, threads=1), stdout=log, stderr=log)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield services, client
    finally:
        process.terminate()
        process.wait(20)
        services.close()


@pytest.fixture(scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway."""
    async with services_behind(tmp_path_factory.mktemp("gateway")) as (_, client):
        await until_it_knows_the_key(client)
        yield client


async def until_it_knows_the_key(client: httpx.AsyncClient) -> None:
    headers = {"authorization": f"Bearer {token()}"}
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if (await client.get("/api/v1/users/profile", headers=headers)).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        await asyncio.sleep(0.1)
    pytest.fail("the gateway does not let anybody in")


async def test_every_public_route_reaches_its_service(gateway: httpx.AsyncClient) -> None:
    headers = {"authorization": f"Bearer {token()}"}
    routes = public_routes()
    assert len(routes) > 50
    for route in routes:
        response = await gateway.request(route.method, route.path, headers=headers)
        assert response.status_code == 200, f"{route.method} {route.path}: {response.text}"
        if "/.well-known/" not in route.path:
            seen = response.json()
            assert seen["service"] == route.service, route
            assert seen["request"].startswith(f"{route.method} {route.path} ")
            assert seen["correlation"]


async def test_who_is_not_signed_in_is_refused_where_the_route_needs_it(gateway: httpx.AsyncClient) -> None:
    expired = token(exp=datetime.now(UTC) - timedelta(minutes=5))
    for route in public_routes():
        bare = await gateway.request(route.method, route.path)
        assert bare.status_code == (401 if route.signed_in else 200), route
        late = await gateway.request(route.method, route.path, headers={"authorization": f"Bearer {expired}"})
        assert late.status_code == (401 if route.signed_in else 200), route
        if route.signed_in:
            assert bare.json()["status"] == "error"
            assert bare.json()["error"]["errorCode"] == 401
            assert bare.headers["www-authenticate"] == "Bearer"
            assert bare.headers["x-correlation-id"]


@pytest.mark.parametrize("disguise", ["{}", "/.{}", "/api/..{}", "/{}", "%2F{}", "{}?a=b"])
async def test_no_internal_route_answers(gateway: httpx.AsyncClient, disguise: str) -> None:
    headers = {"authorization": f"Bearer {token()}"}
    paths = internal_paths()
    assert paths
    for path in paths:
        for method in ("GET", "POST"):
            response = await gateway.request(method, disguise.format(path), headers=headers)
            assert response.status_code in {400, 404}, f"{method} {disguise.format(path)}: {response.text}"
            assert "service" not in response.json()


async def test_what_is_for_operators_is_not_shown_to_the_world(gateway: httpx.AsyncClient) -> None:
    assert (await gateway.get("/metrics")).status_code == 404
    assert (await gateway.get("/nothing/here")).json()["error"]["errorCode"] == 404


async def test_pages_and_health_come_from_any_service(gateway: httpx.AsyncClient) -> None:
    for path in ("/", "/docs", "/openapi.json", "/health/live", "/health/ready", "/assets/home.js"):
        assert (await gateway.get(path)).json()["service"] in {service.name for service in SERVICES}


async def test_a_body_is_bounded_except_where_files_are_sent(gateway: httpx.AsyncClient) -> None:
    headers = {"authorization": f"Bearer {token()}"}
    large = b"x" * (BODY_LIMIT * 3)
    refused = await gateway.post("/api/v1/courses", content=large, headers=headers)
    assert refused.status_code == 413
    assert refused.json()["error"]["errorCode"] == 413
    assert (await gateway.post("/api/v1/content/upload", content=large, headers=headers)).status_code == 200


async def test_the_callers_correlation_id_goes_along(gateway: httpx.AsyncClient) -> None:
    given = {"x-correlation-id": "mine-1"}
    assert (await gateway.get("/api/v1/courses", headers=given)).json()["correlation"] == "mine-1"
    assert (await gateway.get("/api/v1/users/profile", headers=given)).headers["x-correlation-id"] == "mine-1"


@pytest.mark.parametrize("insane", [b"a b", b"x" * 129, b"<b>", b"\xe4", b"one,two", b""])
async def test_an_id_that_is_none_is_not_said_back(gateway: httpx.AsyncClient, insane: bytes) -> None:
    headers = [(b"x-correlation-id", insane), (b"x-request-id", b"mine too")]
    for path in ("/nothing/here", "/api/v1/users/profile"):
        said = (await gateway.get(path, headers=headers)).headers["x-correlation-id"]
        assert str(UUID(said)) == said


async def test_without_keys_a_token_is_no_reason_to_sign_in_again(tmp_path: Path) -> None:
    async with services_behind(tmp_path) as (services, client):
        services.kill("users")
        await until_it_answers(client, "/api/v1/courses")
        headers = {"authorization": f"Bearer {token()}"}
        away = await client.get("/api/enrollments", headers=headers)
        assert away.status_code == 503, away.text
        assert away.json()["error"]["errorCode"] == 503
        assert int(away.headers["retry-after"]) >= 1
        assert away.headers["www-authenticate"] == "Bearer"
        assert (await client.get("/api/enrollments")).status_code == 401


async def test_pages_and_health_do_not_fail_with_one_service(tmp_path: Path) -> None:
    async with services_behind(tmp_path) as (services, client):
        await until_it_knows_the_key(client)
        for service in SERVICES:
            await until_it_answers(client, "/health/ready", of=service.name)
        services.kill("courses")
        for path in ("/", "/docs", "/openapi.json", "/health/ready") * 5:
            assert (await client.get(path)).status_code == 200


async def until_it_answers(client: httpx.AsyncClient, path: str, *, of: str | None = None) -> None:
    """Until the gateway has found the service in health; where `of` is set, that one."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            answer = await client.get(path)
            if answer.status_code == 200 and of in {None, answer.json()["service"]}:
                return
        except httpx.HTTPError:
            pass
        await asyncio.sleep(0.02)
    pytest.fail(f"{path} is not answered")


def test_kongs_file_has_every_public_route_and_nothing_else() -> None:
    places = {service.name: ("127.0.0.1", 9000) for service in SERVICES}
    keys = [{"kid": PUBLISHED.kid, "x": PUBLISHED.x}]
    place = kong_file.KongPlace(services=places, body_limit=BODY_LIMIT, requests_per_minute=1000, keys=keys)
    made = json.loads(json.dumps(kong_file.config(SERVICES, place)))
    assert made["_format_version"] == "3.0"
    routes = [route for service in made["services"] for route in service["routes"]]
    assert len({route["name"] for route in routes}) == len(routes)
    by_rank = sorted(routes, key=lambda route: -route["regex_priority"])
    services = {route["name"]: service["name"] for service in made["services"] for route in service["routes"]}
    for wanted in public_routes():
        fits = (r for r in by_rank if wanted.method in r["methods"] and _fits(r, wanted.path))
        found = next(fits)
        assert services[found["name"]].removesuffix("-streams") == wanted.service
        assert ("plugins" in found) == wanted.signed_in
    assert not any(_fits(route, path) for route in routes for path in internal_paths())
    assert made["consumers"][0]["jwt_secrets"][0]["rsa_public_key"].startswith("-----BEGIN PUBLIC KEY-----")


def _fits(route: dict[str, Any], path: str) -> bool:
    return any(re.fullmatch(pattern.removeprefix("~").removesuffix("$"), path) for pattern in route["paths"])


def test_the_table_hides_only_what_is_for_operators() -> None:
    shown = {path.template for path in public_paths(SERVICES)}
    declared = {template for handler in system.service.routes for template in handler.paths}
    assert declared - shown == {"/metrics", "/internal/health"}
