"""Whatever is sent, the answer is one that the description promises, and never a fault of the server."""

from typing import Any

import httpx
import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from moocflix.entrypoints import openapi
from tests.factories.platform import Person, TestPlatform

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SCHEMA = schemathesis.openapi.from_dict(yaml.safe_load(openapi.text()))
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)]
EXAMPLES = 8


@pytest.fixture
async def people(platform: TestPlatform) -> tuple[dict[str, str], list[Person | None]]:
    """Ids of things that exist, and who asks: nobody, a stranger, a learner, the owner."""
    owner = await platform.person(role="instructor")
    course = await platform.course(owner=owner)
    learner = await platform.person()
    module, lesson = course.all_lessons[0]
    known = {
        "course_id": str(course.id),
        "module_id": str(module),
        "lesson_id": str(lesson),
        "enrollment_id": str(await platform.enrollment(learner, course)),
    }
    return known, [None, await platform.person(), learner, owner]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
@given(data=st.data())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
async def test_any_request_gets_an_answer_that_is_described(
    operation: Any,
    data: st.DataObject,
    platform: TestPlatform,
    people: tuple[dict[str, str], list[Person | None]],
) -> None:
    known, callers = people
    mode = data.draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
    case = data.draw(operation.as_strategy(generation_mode=mode))
    caller = data.draw(st.sampled_from(callers))
    if data.draw(st.booleans()):
        given_ids = {name: known.get(name, value) for name, value in (case.path_parameters or {}).items()}
        case.path_parameters = given_ids or case.path_parameters
    answer = await send(platform.http, case, caller)
    assume(answer is not None)
    case.validate_response(answer, checks=CHECKS)


async def send(http: httpx.AsyncClient, case: Case[Any], caller: Person | None) -> httpx.Response | None:
    """The generated request, as this caller; None where no client can send it."""
    generated = case.as_transport_kwargs(base_url="http://platform")
    try:
        request: Any = requests.Request(**generated).prepare()
    except (requests.exceptions.RequestException, UnicodeError):
        return None
    headers = {name: value for name, value in request.headers.items() if name.lower() != "authorization"}
    headers |= caller.headers if caller else {}
    try:
        return await http.request(request.method, request.url, headers=headers, content=request.body)
    except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeError):
        return None
