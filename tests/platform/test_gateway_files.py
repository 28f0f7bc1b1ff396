"""What gateways and spread out processes are told, as far as it can be seen without starting any of them."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import httpx
import msgspec
import pytest
from click.testing import CliRunner

from moocflix.entrypoints.addresses import ServiceClients, check_addresses
from moocflix.entrypoints.distributed.board import Board
from moocflix.entrypoints.distributed.layout import Layout
from moocflix.entrypoints.gateway import command, envoy, kong
from moocflix.entrypoints.gateway.settings import GatewaySettings
from moocflix.entrypoints.gateway.table import public_paths
from moocflix.entrypoints.services import SERVICES
from moocflix.entrypoints.settings import ServiceSettings
from moocflix.platform.client import InternalClient
from moocflix.platform.errors import Unavailable
from moocflix.platform.events.settings import KafkaSettings
from moocflix.platform.http.routes import route_of
from moocflix.platform.postgres_address import ServerAddress
from moocflix.platform.process import ProcessMark
from moocflix.platform.settings import HttpSettings, Settings, SettingsError, load

NAMES = [service.name for service in SERVICES]
PLACES = {name: ("127.0.0.1", 9000 + index) for index, name in enumerate(NAMES)}


def settings_of(data: Path, **variables: str) -> Settings:
    environ = {f"MOOCFLIX_{name}": value for name, value in variables.items()}
    return load(environ={"MOOCFLIX_DATA": str(data), "MOOCFLIX_CONFIG": os.devnull, **environ})


def gateway_variables() -> dict[str, str]:
    return {f"GATEWAY_{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, (_, port) in PLACES.items()}


def place_of(*, requests_per_second: int = 10) -> envoy.EnvoyPlace:
    return envoy.EnvoyPlace(
        host="::1", port=1, services=PLACES, body_limit=1000, body_seconds=30, requests_per_second=requests_per_second
    )


def in_envoys_file(place: envoy.EnvoyPlace) -> tuple[list[Any], list[Any]]:
    """Its routes and the rules for tokens."""
    made = json.loads(json.dumps(envoy.config(SERVICES, place)))
    manager = made["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    tokens = next(one for one in manager["http_filters"] if one["name"].endswith("jwt_authn"))
    return manager["route_config"]["virtual_hosts"][0]["routes"], tokens["typed_config"]["rules"]


def test_every_service_has_a_field_for_its_address() -> None:
    for section in (ServiceSettings, GatewaySettings):
        fields = {field.name for field in msgspec.structs.fields(section) if field.name.endswith("_url")}
        assert fields == {f"{name}_url" for name in NAMES}


def test_bodies_of_any_length_pass_to_and_from_files_alone() -> None:
    assert {path.shown for path in public_paths(SERVICES) if path.streams} == {
        "/api/v1/content/upload",
        "/api/v1/content/{video_id}/stream",
        "/api/v1/content/play/{token}/{file}",
        "/api/v1/files/{signature}/{key}",
    }


def test_envoys_first_fitting_route_leads_to_the_service_that_declares_it() -> None:
    place = place_of()
    routes, rules = in_envoys_file(place)
    assert routes[0]["match"] == {"prefix": "/internal"}
    assert routes[0]["direct_response"]["status"] == 404
    for service in SERVICES:
        for handler in service.routes:
            route = route_of(handler)
            assert route is not None
            for template in handler.paths:
                path = re.sub(r"\{[a-z_]+(:[a-z]+)?\}", str(uuid4()), template)
                fits = [one for one in routes[1:-1] if re.fullmatch(one["match"]["safe_regex"]["regex"], path)]
                if route.who.services:
                    assert not fits
                    continue
                assert fits[0]["route"]["cluster"] == service.name
                ruled = [rule for rule in rules if re.fullmatch(rule["match"]["safe_regex"]["regex"], path)]
                assert any(map(_asks(handler.http_methods), ruled)) == (not route.who.anonymous)


def _asks(methods: Any) -> Any:
    def asks(rule: dict[str, Any]) -> bool:
        pattern = rule["match"]["headers"][0]["string_match"]["safe_regex"]["regex"]
        return any(re.fullmatch(pattern, method) for method in methods)

    return asks


@pytest.mark.parametrize("rate", [1, 5, 19, 2000])
def test_envoys_limit_is_the_one_that_is_set(rate: int) -> None:
    place = place_of(requests_per_second=rate)
    manager = envoy.config(SERVICES, place)["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]
    (limit,) = [one for one in manager["typed_config"]["http_filters"] if one["name"].endswith("local_ratelimit")]
    bucket = limit["typed_config"]["token_bucket"]
    seconds = float(bucket["fill_interval"].removesuffix("s"))
    assert bucket["tokens_per_fill"] / seconds == pytest.approx(rate)
    assert bucket["max_tokens"] == rate
    # Envoy takes no shorter one.
    assert seconds >= 0.05


def test_a_service_is_looked_for_by_its_name_unless_said_otherwise(tmp_path: Path) -> None:
    clusters = json.loads(command.envoy_text(settings_of(tmp_path)))["static_resources"]["clusters"]
    for name, cluster in zip(NAMES, clusters, strict=False):
        (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        where = endpoint["endpoint"]["address"]["socket_address"]
        assert where == {"address": name, "port_value": HttpSettings().port}
    with pytest.raises(SettingsError, match="MOOCFLIX_GATEWAY_USERS_URL"):
        command.envoy_text(settings_of(tmp_path, GATEWAY_USERS_URL="users"))


def test_the_command_prints_envoys_file(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, PORT="8123", **gateway_variables())
    printed = CliRunner().invoke(command.gateway, ["envoy"], obj=settings)
    listener = json.loads(printed.output)["static_resources"]["listeners"][0]
    assert listener["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 8123}
    # A second platform is refused the port, and gets no share of it.
    assert listener["enable_reuse_port"] is False


def test_kongs_file_wants_the_keys_of_the_moment(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="keys of today cannot be read"):
        command.kong_text(settings_of(tmp_path, **gateway_variables() | {"GATEWAY_USERS_URL": "http://127.0.0.1:9"}))


async def test_the_keys_of_the_moment_are_read_past_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with asked(b'{"keys": []}') as (url, _):
        settings = settings_of(tmp_path, **gateway_variables() | {"GATEWAY_USERS_URL": url})
        made = json.loads(await asyncio.to_thread(command.kong_text, settings))
    assert made["consumers"][0]["jwt_secrets"] == []


@asynccontextmanager
async def asked(body: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that answers everything with `body`: its address, and the first line of each request."""
    lines: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", lines


@pytest.mark.parametrize("spelling", ["NO_PROXY", "no_proxy"])
def test_what_the_user_keeps_from_their_proxy_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(spelling, "example.org, 127.0.0.1,")
    told = Layout(settings_of(tmp_path), NAMES).service_environment("courses", "a")
    assert told["NO_PROXY"] == told["no_proxy"] == "example.org,127.0.0.1,localhost,::1"


_LOOK = """
import asyncio, contextlib, os
from moocflix.platform.storage.s3 import S3Storage

storage = S3Storage("b", endpoint=os.environ["S3"], region="r", access_key="a", secret_key="s")
with contextlib.suppress(Exception):
    asyncio.run(storage.head("some-file"))
"""


async def test_a_process_asks_the_s3_server_of_this_machine_past_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with asked(b"") as (proxy, by_proxy), asked(b"") as (s3, directly):
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy)
        told = Layout(settings_of(tmp_path), NAMES).environment({"users": "a"})
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", _LOOK, env={**told, "S3": s3})
        assert await process.wait() == 0
    assert directly
    assert not by_proxy


def test_kongs_routes_are_those_of_the_table() -> None:
    place = kong.KongPlace(services=PLACES, body_limit=1000, requests_per_minute=10, keys=[])
    made = kong.config(SERVICES, place)
    patterns = {route["paths"][0] for service in made["services"] for route in service["routes"]}
    assert patterns == {f"~{path.pattern}$" for path in public_paths(SERVICES)}


def test_a_process_must_know_where_the_services_are_that_it_does_not_serve(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="MOOCFLIX_SERVICE_COURSES_URL"):
        check_addresses(settings_of(tmp_path), here=["users"], services=["users", "courses"])
    check_addresses(settings_of(tmp_path), here=NAMES, services=NAMES)
    elsewhere = settings_of(tmp_path, SERVICE_COURSES_URL="http://courses:1")
    check_addresses(elsewhere, here=["users"], services=["users", "courses"])


class _Signer:
    def token(self, *, audience: str) -> str:
        return audience


async def test_a_neighbour_is_asked_at_its_address_and_is_away_where_nobody_listens(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, SERVICE_COURSES_URL="http://127.0.0.1:9", SERVICE_USERS_URL="http://127.0.0.1:9")

    async def internal(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"data": 7}'})

    neighbours = ServiceClients(settings, here=["users"], internal=internal)
    try:
        near = InternalClient(neighbours.client("users"), target="users", signer=_Signer())  # type: ignore[arg-type]
        assert await near.get("/internal/number", reply=int) == 7
        assert neighbours.client("courses") is neighbours.client("courses")
        far = InternalClient(neighbours.client("courses"), target="courses", signer=_Signer())  # type: ignore[arg-type]
        with pytest.raises(Unavailable, match="courses service is away"):
            await far.get("/internal/number", reply=int)
    finally:
        await neighbours.close()


async def test_one_that_hangs_is_asked_once() -> None:
    asked = []

    def hang(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        raise TimeoutError

    async with httpx.AsyncClient(transport=httpx.MockTransport(hang), base_url="http://courses") as http:
        client = InternalClient(http, target="courses", signer=_Signer())  # type: ignore[arg-type]
        with pytest.raises(Unavailable):
            await client.get("/internal/number", reply=int)
    assert asked == ["/internal/number"]


def test_processes_are_told_their_own_ports_and_everybodys_addresses(tmp_path: Path) -> None:
    layout = Layout(settings_of(tmp_path, PORT="8123"), NAMES)
    databases = layout.databases(ServerAddress("127.0.0.1", 5432, "postgres", "secret"))
    assert databases["courses"].startswith("postgresql://moocflix_courses:")
    told = layout.service_environment("courses", databases["courses"])
    assert told["MOOCFLIX_HTTP_PORT"] == str(layout.public["courses"]) != "8123"
    assert told["MOOCFLIX_SERVICE_USERS_URL"] == layout.internal_url("users")
    assert "MOOCFLIX_DATABASE_USERS_URL" not in told
    assert told["MOOCFLIX_STORAGE_KIND"] == "s3"
    assert layout.envoy().port == 8123
    ports = [*layout.public.values(), *layout.internal.values(), layout.valkey_port, layout.s3.port]
    assert len(set(ports)) == len(ports)


def test_proxies_before_the_gateway_are_believed_too(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, HTTP_TRUSTED_PROXIES="192.0.2.7,192.0.2.8")
    told = load(environ={"MOOCFLIX_CONFIG": os.devnull, **Layout(settings, NAMES).environment({"users": "a"})})
    assert told.of(HttpSettings).trusted_proxies == ["127.0.0.1", "192.0.2.7", "192.0.2.8"]


def test_what_the_operator_has_set_and_is_not_used_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOOCFLIX_DATABASE_USERS_DIRECT_URL", "postgresql://a@elsewhere/b")
    unused = {"DATABASE_URL": "postgresql://a@elsewhere/b", "CACHE_URL": "redis://elsewhere", "EVENTS_BUS": "rabbitmq"}
    unused |= {"KAFKA_USER": "somebody", "KAFKA_PASSWORD": "of another Kafka", "KAFKA_TLS": "true"}
    settings = settings_of(tmp_path, **unused, HTTP_WORKERS="1", HTTP_TRUSTED_PROXIES="192.0.2.7", INTERNAL_PORT="9")
    layout = Layout(settings, NAMES)
    databases = layout.databases(ServerAddress("127.0.0.1", 5432, "postgres", "secret"))
    names = {*unused, "DATABASE_USERS_DIRECT_URL", "INTERNAL_PORT"}
    assert layout.overruled(databases) == sorted(f"MOOCFLIX_{name}" for name in names)
    assert "MOOCFLIX_DATABASE_USERS_DIRECT_URL" not in layout.environment(databases)
    # Several of them would share a port.
    told = layout.environment(databases)
    kafka = load(environ={"MOOCFLIX_CONFIG": os.devnull, **told}).of(KafkaSettings)
    assert (kafka.user, str(kafka.password), kafka.tls, kafka.replicas) == ("", "", False, 1)
    assert (told["MOOCFLIX_HTTP_WORKERS"], told["MOOCFLIX_HEALTH_PORT"]) == ("1", "0")


def test_the_board_is_true_after_a_restart_and_gone_after_a_stop(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    running = {"users": 11, "valkey": 12}
    board = Board(tmp_path, running=lambda: running)
    board.about = {"gateway": "http://here"}
    board.urls = {"users": "http://users", "courses": "http://courses"}
    mark = ProcessMark.of(os.getpid())
    assert mark is not None
    board.write([mark])
    assert not board.file.exists()
    board.complete = True
    board.write([mark])
    assert json.loads(board.file.read_text()) == {
        "gateway": "http://here",
        "processes": {"users": {"pid": 11, "url": "http://users"}, "valkey": {"pid": 12}},
    }
    running["users"] = 13
    board.show()
    assert json.loads(board.file.read_text())["processes"]["users"]["pid"] == 13
    assert board.file.stat().st_mode & 0o777 == 0o600
    assert len(board.screen()) == 3
    board.clear()
    assert not board.file.exists()


def test_what_a_killed_supervisor_has_told_is_gone_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name in ("distributed.json", "run/distributed.env", "run/up.json"):
        (tmp_path / name).write_text("{}")
    assert Board(tmp_path, running=dict).end_leftovers()
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    assert not Board(tmp_path, running=dict).end_leftovers()


def test_the_commands_are_there() -> None:
    from moocflix.entrypoints.cli import moocflix

    assert isinstance(moocflix, click.Group)
    assert {"distributed", "gateway", "relay"} <= set(moocflix.commands)
