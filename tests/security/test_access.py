"""Every route against everybody, over things that exist: who gets in, and that who does not changes nothing."""

import contextlib
import re
from typing import Any

import httpx
import pytest

from moocflix.entrypoints.runtime import ASKER
from moocflix.entrypoints.services import SERVICES
from moocflix.platform.errors import Invalid, NotFound
from moocflix.platform.http import system
from moocflix.platform.http.routes import route_of
from moocflix.platform.ids import new_id
from moocflix.platform.service import Copy, Service
from tests.security.conftest import KIND, service_headers, serving
from tests.security.ledger import Ledger
from tests.security.route_table import FILE, TABLE, UPLOAD, Row
from tests.security.stage import CALLERS, Stage

PUBLIC = [row for row in TABLE if row.who != "service"]
INTERNAL = [row for row in TABLE if row.who == "service"]
SERVICE_NAMES = {ASKER, *(service.name for service in SERVICES)}
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
REFUSED = {401, 402, 403, 404, 409}


def name_of(row: Row) -> str:
    return row.name


def served() -> set[tuple[str, str, str, frozenset[str]]]:
    """Method, path and who may call, of every route that the platform has."""
    return {
        (str(method), KIND.sub("}", path), route.who.name, route.who.callers)
        for service in (*SERVICES, system.service)
        for handler in service.routes
        if (route := route_of(handler)) is not None
        for path in handler.paths
        for method in handler.http_methods
    }


async def ask(http: httpx.AsyncClient, stage: Stage, row: Row, *, caller: str, headers: Any = None) -> httpx.Response:
    """The row's request, as this caller sends it."""
    path = stage.fill(row.path, target=row.target, caller=caller)
    headers = stage.headers(caller) if headers is None else headers
    if row.body == UPLOAD:
        form = {"courseId": stage.fill("{course_id}", target=row.target)}
        files = {"file": ("a.mp4", stage.video, "video/mp4")}
        return await http.request(row.method, path, headers=headers, data=form, files=files)
    if row.body == FILE:
        return await http.request(row.method, path, headers=headers, content=stage.video)
    body = stage.fill(row.body, target=row.target, caller=caller)
    return await http.request(row.method, path, headers=headers, json=body)


def test_the_table_names_every_route_and_who_may_call_it() -> None:
    assert {(row.method, row.path.partition("?")[0], row.who, row.callers) for row in TABLE} == served()


@pytest.mark.parametrize("row", PUBLIC, ids=name_of)
async def test_each_caller_gets_what_is_theirs_and_who_is_refused_changes_nothing(
    stage: Stage, ledger: Ledger, row: Row
) -> None:
    expected = dict(zip(CALLERS, row.statuses, strict=True))
    read_only = [caller for caller in CALLERS if row.method == "GET" or expected[caller] in REFUSED]
    got = {caller: (await ask(stage.platform.http, stage, row, caller=caller)).status_code for caller in read_only}
    changed = await ledger.changed()
    for caller in CALLERS:
        if caller not in read_only:
            await ledger.restore()
            got[caller] = (await ask(stage.platform.http, stage, row, caller=caller)).status_code
    await ledger.restore()
    assert (got, changed) == (expected, [])


@pytest.mark.parametrize("row", INTERNAL, ids=name_of)
async def test_internal_routes_are_for_services_alone(
    stage: Stage, ledger: Ledger, internal: httpx.AsyncClient, row: Row
) -> None:
    for caller in CALLERS:
        outside = await ask(stage.platform.http, stage, row, caller=caller)
        inside = await ask(internal, stage, row, caller=caller)
        assert (outside.status_code, inside.status_code) == (404, 401), caller
    for name in SERVICE_NAMES:
        service = service_headers(stage.platform, audience=serving(row.path), caller=name)
        assert (await ask(stage.platform.http, stage, row, caller="admin", headers=service)).status_code == 404


@pytest.mark.parametrize("row", INTERNAL, ids=name_of)
async def test_internal_routes_answer_the_services_that_they_name_and_no_other(
    stage: Stage, ledger: Ledger, internal: httpx.AsyncClient, row: Row
) -> None:
    async def status(name: str) -> int:
        headers = service_headers(stage.platform, audience=serving(row.path), caller=name)
        return (await ask(internal, stage, row, caller="admin", headers=headers)).status_code

    refused = {name: await status(name) for name in SERVICE_NAMES - row.callers}
    changed = await ledger.changed()
    answered = {name: await status(name) for name in row.callers}
    await ledger.restore()
    assert (refused, changed) == (dict.fromkeys(SERVICE_NAMES - row.callers, 403), [])
    assert answered == dict.fromkeys(row.callers, row.statuses[0])


@pytest.mark.parametrize(
    ("service", "copy"), [(service, copy) for service in SERVICES for copy in service.copies],
    ids=lambda one: getattr(one, "entity", None) or one.name,
)  # fmt: skip
async def test_whoever_keeps_a_copy_may_ask_its_owner(stage: Stage, service: Service, copy: Copy) -> None:
    context = stage.platform.context(service.name)
    with contextlib.suppress(Invalid, NotFound):
        assert await copy.fetch(context, new_id()) is None
    if copy.pages is not None:
        assert (await copy.pages(context, None))[0]


@pytest.mark.parametrize("row", INTERNAL, ids=name_of)
async def test_a_service_token_opens_the_service_that_it_is_for_and_no_other(
    stage: Stage, internal: httpx.AsyncClient, row: Row
) -> None:
    other = "courses" if serving(row.path) != "courses" else "users"
    headers = service_headers(stage.platform, audience=other, caller=min(row.callers))
    assert (await ask(internal, stage, row, caller="admin", headers=headers)).status_code == 401


@pytest.mark.parametrize("row", [row for row in PUBLIC if row.who not in {"anyone", "holder"}], ids=name_of)
async def test_a_service_token_is_no_person(stage: Stage, row: Row) -> None:
    headers = service_headers(stage.platform, audience="users")
    assert (await ask(stage.platform.http, stage, row, caller="admin", headers=headers)).status_code == 401


HIDDEN = (
    "GET /api/v1/courses/{course_id}",
    "GET /api/courses/{course_id}/structure",
    "GET /api/v1/courses/{course_id}/modules/{module_id}",
    "GET /api/v1/courses/{course_id}/lessons/{lesson_id}",
    "GET /api/v1/courses/{course_id}/students",
    "POST /api/v1/courses/{course_id}/enroll",
    "DELETE /api/v1/courses/{course_id}",
    "DELETE /api/v1/courses/{course_id}/modules/{module_id}",
    "GET /api/v1/content/{video_id}",
    "GET /api/v1/content/{video_id}/stream",
    "POST /api/v1/content/{video_id}/transcode",
)


@pytest.mark.parametrize("route", HIDDEN)
async def test_a_draft_answers_strangers_as_what_is_not_there(stage: Stage, route: str) -> None:
    method, path = route.split()
    for caller in ("anonymous", "stranger", "student", "other instructor"):
        told = []
        for ids in (stage.ids["draft"], {name: str(new_id()) for name in stage.ids["draft"]}):
            answer = await stage.platform.http.request(method, path.format(**ids), headers=stage.headers(caller))
            message = answer.json()["error"]["message"]
            told.append((answer.status_code, _ID.sub("…", message), sorted(answer.headers)))
        assert told[0] == told[1], caller


@pytest.mark.parametrize("path", ["//internal/users", "/internal//users", "///internal/users/", "//internal//users"])
async def test_more_slashes_open_no_internal_route(stage: Stage, path: str) -> None:
    headers = service_headers(stage.platform, audience="users")
    assert (await stage.platform.http.get(f"http://platform{path}", headers=headers)).status_code == 404


async def test_public_routes_are_not_served_to_services(stage: Stage, internal: httpx.AsyncClient) -> None:
    for row in PUBLIC:
        assert (await ask(internal, stage, row, caller="admin")).status_code == 404, row.name
