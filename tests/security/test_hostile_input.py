"""Whatever is sent to whatever route: a clear refusal that names what is wrong, never a fault, nothing let slip."""

import re
from collections.abc import AsyncIterator, Iterable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import yaml

from moocflix.entrypoints import openapi
from moocflix.platform.ids import new_id
from tests.security import hostile
from tests.security.conftest import service_headers, serving
from tests.security.ledger import Ledger
from tests.security.route_table import FILE, TABLE, UPLOAD, Row
from tests.security.stage import CALLERS, Stage

DESCRIBED: dict[str, Any] = yaml.safe_load(openapi.text())
_PLACE = re.compile(r"\{(\w+)}")
_BY_SUCCESS = ("owner", "admin", "student", "stranger", "anonymous")
JSON = {"content-type": "application/json"}


def one_of_each() -> list[Row]:
    """Every route once, over a target that somebody may have."""
    found: dict[tuple[str, str], Row] = {}
    for row in TABLE:
        if "?" not in row.path and min(row.statuses) < 400:
            found.setdefault((row.method, row.path), row)
    return list(found.values())


ROUTES = one_of_each()
WRITES = [row for row in ROUTES if row.method in {"POST", "PUT"} and isinstance(row.body, dict)]
LISTS = [row for row in ROUTES if row.method == "GET"]


def name_of(row: Row) -> str:
    return f"{row.method} {row.path}"


def caller_of(row: Row) -> str:
    """Somebody who may."""
    return next(name for name in _BY_SUCCESS if row.statuses[CALLERS.index(name)] < 400)


class Attack:
    """Requests to one route, and what was wrong with their answers."""

    def __init__(self, stage: Stage, internal: httpx.AsyncClient, row: Row) -> None:
        self.stage, self.row, self.caller = stage, row, caller_of(row)
        self.http = internal if row.who == "service" else stage.platform.http
        self.faults: list[str] = []
        self.path = self._fill(row.path)
        self.body = self._fill(row.body)

    async def send(self, what: str, path: str | None = None, *, headers: Any = (), **content: Any) -> httpx.Response:
        """Send it; `what` it is goes into the message about a fault."""
        given = _bytes(headers)
        names = {name.lower() for name, _ in given}
        kept = [pair for pair in _bytes(self._known()) if pair[0].lower() not in names]
        answer = await self.http.request(self.row.method, path or self.path, headers=[*kept, *given], **content)
        self.faults += [f"{what}: {fault}" for fault in hostile.faults(answer)]
        return answer

    def _known(self) -> dict[str, str]:
        if self.row.who == "service":
            return service_headers(self.stage.platform, audience=serving(self.row.path), caller=min(self.row.callers))
        return self.stage.headers(self.caller)

    def _fill(self, content: Any) -> Any:
        return self.stage.fill(content, target=self.row.target, caller=self.caller)


def _bytes(headers: Any) -> list[tuple[bytes, bytes]]:
    pairs: Iterable[Any] = headers.items() if isinstance(headers, dict) else headers
    return [(_encoded(name), _encoded(value)) for name, value in pairs]


def _encoded(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


@pytest.fixture
async def attack(request: Any, stage: Stage, internal: httpx.AsyncClient, ledger: Ledger) -> AsyncIterator[Attack]:
    """An attack on the route that the test is about; what it has changed is undone."""
    attack = Attack(stage, internal, request.param)
    yield attack
    await ledger.restore()


def on(rows: list[Row]) -> pytest.MarkDecorator:
    """Run a test on each of these routes."""
    return pytest.mark.parametrize("attack", rows, ids=name_of, indirect=True)


@on([row for row in ROUTES if "_id}" in row.path])
async def test_ids_that_are_none_or_name_nothing(attack: Attack) -> None:
    for name in _PLACE.findall(attack.row.path):
        if not name.endswith("_id"):
            continue
        for segment in (str(new_id()), *hostile.SEGMENTS):
            template = attack.row.path.replace(f"{{{name}}}", segment)
            path = attack.stage.fill(_safe(template), target=attack.row.target, caller=attack.caller)
            answer = await attack.send(f"{name} {segment[:40]}", path, **attack_body(attack))
            # To close what is not there, or open it again, is done already.
            if answer.status_code not in {400, 404, 405, 409} and attack.row.who != "service":
                attack.faults.append(f"{name} {segment[:40]} got {answer.status_code}")
    assert attack.faults == []


@on([row for row in ROUTES if "_id}" not in row.path and "{" in row.path])
async def test_names_and_tokens_in_a_path_that_are_none(attack: Attack) -> None:
    for name in _PLACE.findall(attack.row.path):
        for segment in (str(new_id()), *hostile.SEGMENTS):
            template = attack.row.path.replace(f"{{{name}}}", segment)
            path = attack.stage.fill(_safe(template), target=attack.row.target, caller=attack.caller)
            answer = await attack.send(f"{name} {segment[:40]}", path, **attack_body(attack))
            if answer.status_code < 400:
                attack.faults.append(f"{name} {segment[:40]} got {answer.status_code}")
    assert attack.faults == []


@on(WRITES)
async def test_each_field_with_every_kind_of_value(attack: Attack) -> None:
    for field in fields_of(attack.row):
        for what, value in hostile.VALUES.items():
            content = hostile.with_value(attack.body, field, value)
            await attack.send(f"{field} {what}", headers=JSON, content=content)
    assert attack.faults == []


@on(WRITES)
async def test_fields_that_are_missing_unknown_or_there_twice(attack: Attack) -> None:
    for field in attack.body:
        without = {name: value for name, value in attack.body.items() if name != field}
        await attack.send(f"no {field}", json=without)
        twice = hostile.with_value({**attack.body, field: None}, field, "1")[:-1] + b',"' + field.encode() + b'":{}}'
        await attack.send(f"{field} twice", headers=JSON, content=twice)
    for unknown in ("__proto__", "constructor", "isAdmin", "id", "$where", "", "\x00", "é" * 3000):
        await attack.send(f"unknown {unknown[:20]!r}", json={**attack.body, unknown: {"a": 1}})
    assert attack.faults == []


@on([row for row in ROUTES if row.method in {"POST", "PUT", "DELETE"}])
async def test_bodies_that_are_none(attack: Attack) -> None:
    for what, content in hostile.BODIES.items():
        await attack.send(what, headers=JSON, content=content)
        if attack.row.method == "POST":
            await attack.send(what, headers=JSON | {"idempotency-key": f"key of {what}"}, content=content)
    for media_type in hostile.MEDIA_TYPES:
        await attack.send(f"type {media_type[:40]!r}", headers={"content-type": media_type}, content=b'{"title":"a"}')
    assert attack.faults == []


@on(ROUTES)
async def test_headers_that_are_none(attack: Attack) -> None:
    for what, headers in hostile.HEADERS.items():
        await attack.send(what, headers=headers, **attack_body(attack))
    assert attack.faults == []


@on(LISTS)
async def test_arguments_that_are_none(attack: Attack) -> None:
    arguments = arguments_of(attack.row)
    for argument in arguments:
        for value in hostile.ARGUMENTS:
            await attack.send(f"{argument}={value[:40]}", f"{attack.path}?{argument}={value}")
        await attack.send(f"{argument} twice", f"{attack.path}?{argument}=1&{argument}=2&{argument}")
    for query in hostile.QUERIES:
        await attack.send(f"query {query[:40]}", f"{attack.path}?{query}")
    for cursor in hostile.cursors() if "cursor" in arguments else ():
        answer = await attack.send(f"cursor {cursor[:40]}", f"{attack.path}?cursor={quote(cursor)}")
        assert answer.status_code in {200, 400}
    assert attack.faults == []


@on(ROUTES)
async def test_methods_that_are_not_served(attack: Attack) -> None:
    for method in ("PATCH", "TRACE", "PROPFIND", "get", "X" * 300, "OPTIONS", "HEAD"):
        answer = await attack.http.request(method, attack.path, headers=attack.stage.headers(attack.caller))
        attack.faults += [f"{method[:10]}: {fault}" for fault in hostile.faults(answer)]
    assert attack.faults == []


def attack_body(attack: Attack) -> dict[str, Any]:
    """The body that the route takes."""
    if attack.row.body == UPLOAD:
        form = {"courseId": attack.stage.fill("{course_id}", target="published")}
        return {"data": form, "files": {"file": ("a.mp4", b"", "video/mp4")}}
    if attack.row.body == FILE:
        return {"content": b"no video"}
    return {} if attack.body is None else {"json": attack.body}


def fields_of(row: Row) -> list[str]:
    """The fields of the route's body by its description, those of objects in it left to their own tests."""
    if row.who == "service":
        return list(row.body)
    content = _operation(row)["requestBody"]["content"]["application/json"]["schema"]
    return sorted(_resolved(content)["properties"])


def arguments_of(row: Row) -> list[str]:
    """The route's query parameters by its description."""
    if row.who == "service":
        return ["limit", "cursor", "after", "userId", "courseId"]
    parameters = _operation(row).get("parameters", [])
    return [parameter["name"] for parameter in parameters if parameter["in"] == "query"]


def _operation(row: Row) -> Any:
    return DESCRIBED["paths"][row.path][row.method.lower()]


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    for choice in schema.get("oneOf", schema.get("anyOf", [])):
        if "$ref" in choice:
            return _resolved(choice)
    if "$ref" in schema:
        return dict(DESCRIBED["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    return schema


def _safe(template: str) -> str:
    """A template in which braces that belong to no id stay as they are sent."""
    return template.replace("{id}", "%7Bid%7D")
