"""What the edge does for every request, on a service made for it."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest

from moocflix.platform import logs
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.errors import Forbidden
from moocflix.platform.ids import new_id
from tests.platform.probe import CATS, Probe
from tests.waiting import until


async def test_an_answer_is_wrapped_and_names_its_correlation(probe: Probe) -> None:
    response = await probe.post("/things", {"name": "a", "price": 12.5}, x_correlation_id="my-id.7")
    body = response.json()
    assert response.status_code == 201
    assert body["status"] == "success"
    assert body["data"]["price"] == 12.5
    assert body["timestamp"].endswith("Z")
    assert response.headers["x-correlation-id"] == "my-id.7"


async def test_an_insane_correlation_id_is_replaced(probe: Probe) -> None:
    response = await probe.http.get("/things", headers={"x-correlation-id": "two words {}"})
    assert response.headers["x-correlation-id"] != "two words {}"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"name":""}', "name"),
        (b'{"name":7}', "name"),
        (b"{}", "name"),
        (b'{"name":"a","parent":"x"}', "parent"),
        (b'{"name":"a","price":"much"}', "price"),
        (b'{"name":"a","price":"12.5"}', "price"),
        (b'{"name":"a","price":true}', "price"),
        (b'{"name":"a","price":1e9999999999999999999999}', "price"),
        (b'{"name":"a","price":NaN}', "body"),
        (b"[]", "body"),
        (b"{", "body"),
        (b"", "body"),
        (b'{"name":"a\\u0000b"}', "body"),
        (b'{"name":"\\ud800"}', "body"),
        (b'{"name":"\xff"}', "body"),
        (b"[" * 100_000, "body"),
    ],
)
async def test_a_bad_body_is_refused_naming_the_field(probe: Probe, body: bytes, field: str) -> None:
    headers = {"authorization": f"Bearer {probe.token}", "content-type": "application/json"}
    response = await probe.http.post("/things", content=body, headers=headers)
    assert response.status_code == 400
    assert [detail["field"] for detail in response.json()["error"]["details"]] == [field]
    assert await probe.names() == []


async def test_a_number_keeps_every_digit_and_a_string_is_none(probe: Probe) -> None:
    headers = {"authorization": f"Bearer {probe.token}", "content-type": "application/json"}
    for written in (b"0.1000000000000000055511151231257827", b"12345678901234567890.10", b"7", b"-0.00"):
        answer = await probe.http.post("/things", content=b'{"name":"a","price":%s}' % written, headers=headers)
        assert b'"price":%s}' % written in answer.content
    refused = await probe.post("/things", {"name": "a", "price": "7"})
    assert refused.json()["error"]["message"] == "price: Expected `number`, got `str`."


async def test_a_body_that_is_not_json_is_415_and_a_huge_one_413(probe: Probe) -> None:
    headers = {"authorization": f"Bearer {probe.token}", "content-type": "text/plain"}
    assert (await probe.http.post("/things", content=b"{}", headers=headers)).status_code == 415
    huge = b'{"name":"' + b"x" * 2_000_000 + b'"}'
    headers["content-type"] = "application/json"
    assert (await probe.http.post("/things", content=huge, headers=headers)).status_code == 413

    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 50_000

    assert (await probe.http.post("/things", content=unannounced(), headers=headers)).status_code == 413


@pytest.mark.parametrize("path", ["/things", "/bytes"])
async def test_an_encoded_body_is_415_and_nobody_reads_it(probe: Probe, path: str) -> None:
    headers = {"authorization": f"Bearer {probe.token}", "content-type": "application/json"}
    for encoding, status in (("gzip", 415), ("br, gzip", 415), ("Identity", 201 if path == "/things" else 200)):
        answer = await probe.http.post(
            path, content=b'{"name":"a"}', headers={**headers, "content-encoding": encoding, "expect": "100-continue"}
        )
        assert answer.status_code == status
        # The connection is closed where the client was never told to send.
        assert (answer.headers.get("accept-encoding"), answer.headers.get("connection")) == (
            ("identity", "close") if status == 415 else (None, None)
        )


@pytest.mark.parametrize(
    "query", ["limit=101", "limit=0", "limit=x", "cursor=zzz", "cursor=W10", "cursor=%ff", "q=%00"]
)
async def test_a_bad_parameter_is_400(probe: Probe, query: str) -> None:
    response = await probe.http.get(f"/things?{query}")
    assert response.status_code == 400
    assert response.json()["status"] == "error"


async def test_unknown_paths_are_404_and_wrong_methods_405(probe: Probe) -> None:
    assert (await probe.http.get("/nothing")).status_code == 404
    assert (await probe.http.get("/things/not-an-id")).status_code == 404
    for path in ("/undeclared", "/schema", "/schema-of-the-framework", "/schema-of-the-framework/openapi.json"):
        assert (await probe.http.get(path)).status_code == 404, path
    wrong = await probe.http.patch("/things")
    assert wrong.status_code == 405
    assert {"GET", "POST", "DELETE"} <= set(wrong.headers["allow"].split(", "))


async def test_internal_routes_are_not_there_for_the_public(probe: Probe) -> None:
    for path in ("/internal/secret", "/internal/", "//internal/secret", "/internal/secret/"):
        assert (await probe.http.get(path)).status_code == 404, path


async def test_internal_routes_need_the_token_of_a_service(probe: Probe) -> None:
    client = probe.runtime._client("enrollments", "probe")  # noqa: SLF001 - the client that its services get
    assert await client.get("/internal/secret", reply=str) == "secret"
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(probe.runtime.internal), base_url="http://internal"
    ) as inside:
        assert (await inside.get("/internal/secret")).status_code == 401
        signed_in = {"authorization": f"Bearer {probe.token}"}
        assert (await inside.get("/internal/secret", headers=signed_in)).status_code == 401
    with pytest.raises(Forbidden, match="The courses service has nothing to ask here"):
        await probe.runtime._client("courses", "probe").get("/internal/secret", reply=str)  # noqa: SLF001 - as above


async def test_a_refusal_undoes_the_write(probe: Probe) -> None:
    assert (await probe.post("/things", {"name": "refuse"})).status_code == 409
    assert await probe.names() == []


async def test_a_refusal_that_keeps_its_writes_keeps_them(probe: Probe) -> None:
    assert (await probe.post("/things", {"name": "remember"})).status_code == 409
    assert await probe.names() == ["remember"]


async def test_a_fault_undoes_the_write_and_tells_nothing(probe: Probe) -> None:
    response = await probe.post("/things", {"name": "boom"})
    assert response.status_code == 500
    assert "boom" not in response.text
    assert await probe.names() == []


async def test_a_failing_commit_is_told_and_nothing_is_written(probe: Probe) -> None:
    response = await probe.post("/things", {"name": "orphan", "parent": str(new_id())})
    assert response.status_code == 409
    assert await probe.names() == []


async def test_one_statement_writes_without_a_transaction(probe: Probe) -> None:
    assert (await probe.post("/alone", {"name": "alone"})).status_code == 200
    assert await probe.names() == ["alone"]


async def test_a_missing_copy_is_fetched_and_the_handler_run_once_more(probe: Probe) -> None:
    cat = new_id()
    CATS.add(cat)
    assert (await probe.post("/pet", {"name": "purr", "parent": str(cat)})).status_code == 200
    assert await probe.names() == ["purr"]


async def test_a_copy_that_its_owner_does_not_have_is_404(probe: Probe) -> None:
    assert (await probe.post("/pet", {"name": "purr", "parent": str(new_id())})).status_code == 404
    assert await probe.names() == []


async def test_100_at_once_under_one_key_have_one_effect(probe: Probe) -> None:
    answers = await asyncio.gather(*(probe.post("/things", {"name": "slow"}, idempotency_key="k") for _ in range(100)))
    done = [answer.content for answer in answers if answer.status_code == 201]
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len(set(done)) == 1
    assert await probe.names() == ["slow"]
    again = await probe.post("/things", {"name": "slow"}, idempotency_key="k")
    assert (again.status_code, again.content) == (201, done[0])
    assert again.headers["idempotent-replayed"] == "true"


async def test_an_answer_that_was_lost_after_the_commit_is_given_to_the_retry(probe: Probe) -> None:
    body = b'{"name":"lost"}'
    headers = [(b"authorization", f"Bearer {probe.token}".encode()), (b"content-type", b"application/json")]
    scope = {
        "type": "http", "method": "POST", "path": "/things", "query_string": b"", "client": ("127.0.0.1", 1),
        "headers": [*headers, (b"idempotency-key", b"k")],
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await probe.runtime.public(scope, receive, send)
    assert sent[0]["status"] == 201
    again = await probe.post("/things", {"name": "lost"}, idempotency_key="k")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert await probe.names() == ["lost"]


async def test_a_connection_that_dies_before_the_commit_frees_the_key(probe: Probe, urls: DatabaseUrls) -> None:
    first = asyncio.create_task(probe.post("/things", {"name": "slow"}, idempotency_key="k"))
    admin = await asyncpg.connect(urls.admin)

    async def ended() -> Any:
        return await admin.fetchval(
            "SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE usename = 'moocflix_probe' AND state = 'idle in transaction' AND query LIKE 'INSERT INTO things%'"
        )

    await until(ended)
    await admin.close()
    assert (await first).status_code == 503
    assert await probe.names() == []
    assert (await probe.post("/things", {"name": "slow"}, idempotency_key="k")).status_code == 201
    assert await probe.names() == ["slow"]


async def test_a_key_with_another_body_is_refused(probe: Probe) -> None:
    await probe.post("/things", {"name": "first"}, idempotency_key="k")
    assert (await probe.post("/things", {"name": "second"}, idempotency_key="k")).status_code == 409
    assert await probe.names() == ["first"]


async def test_a_refused_request_frees_its_key(probe: Probe) -> None:
    assert (await probe.post("/things", {"name": "refuse"}, idempotency_key="k")).status_code == 409
    assert (await probe.post("/things", {"name": "fine"}, idempotency_key="k")).status_code == 201


async def test_keys_of_two_people_are_two_keys(probe: Probe) -> None:
    await probe.post("/things", {"name": "mine"}, idempotency_key="k")
    probe.token = probe.sign(new_id(), "student")
    assert (await probe.post("/things", {"name": "theirs"}, idempotency_key="k")).status_code == 201


async def test_work_in_steps_holds_its_key_and_is_done_once(probe: Probe) -> None:
    answers = await asyncio.gather(*(probe.post("/steps", {"name": "step"}, idempotency_key="k") for _ in range(20)))
    assert sorted({answer.status_code for answer in answers}) == [200, 409]
    assert await probe.names() == ["step"]
    again = await probe.post("/steps", {"name": "step"}, idempotency_key="k")
    assert again.content in {answer.content for answer in answers}
    assert (await probe.post("/steps", {"name": "refuse"}, idempotency_key="r")).status_code == 409
    assert (await probe.post("/steps", {"name": "other"}, idempotency_key="r")).status_code == 200


async def test_a_known_etag_gives_304_and_head_no_body(probe: Probe) -> None:
    made = (await probe.post("/things", {"name": "page"})).json()["data"]["thingId"]
    full = await probe.http.get(f"/things/{made}")
    unchanged = await probe.http.get(f"/things/{made}", headers={"if-none-match": full.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    head = await probe.http.head(f"/things/{made}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == full.headers["content-length"]


@pytest.mark.parametrize(
    ("status", "values"),
    [
        (200, ['"7"', "*", '"6", "7"', '"stale","7"', ', "7" ,', 'W/"6", "7"', '"a,b", "7"']),
        (412, ['"6"', '"stale"', '"99999999999999999999"', 'W/"7"', '"3", "4"', '"07"', '""', '"6,7"', '"\xb2\xb3"']),
        (400, ["yesterday", "7", '"7', '7"', '"7""7"', '"7" "7"', "", ",", '*, "7"', 'w/"7"', '"7"; "6"', '"6 7"']),
    ],
)
async def test_if_match_takes_any_entity_tags_and_matches_strongly(
    probe: Probe, status: int, values: list[str]
) -> None:
    for value in values:
        headers = {"authorization": f"Bearer {probe.token}", "if-match": value.encode("latin-1")}
        answer = await probe.http.put(f"/things/{new_id()}", json={"name": "a"}, headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == status, value


async def test_a_body_in_pieces_comes_whole(probe: Probe) -> None:
    response = await probe.http.get("/stream")
    assert response.text == "0,1,2,"
    assert response.headers["x-correlation-id"]
    assert (await probe.http.head("/stream")).content == b""


async def test_a_body_that_breaks_off_is_not_taken_for_whole(probe: Probe) -> None:
    scope = {
        "type": "http", "method": "GET", "path": "/broken", "query_string": b"", "client": ("127.0.0.1", 1),
        "headers": [],
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    with pytest.raises(ConnectionResetError):
        await probe.runtime.public(scope, None, send)
    assert [(message["type"], message.get("more_body")) for message in sent] == [
        ("http.response.start", None),
        ("http.response.body", True),
    ]


async def test_nobody_and_the_wrong_role_are_told_apart(probe: Probe) -> None:
    assert (await probe.http.delete("/things")).status_code == 401
    signed_in = {"authorization": f"Bearer {probe.token}"}
    assert (await probe.http.delete("/things", headers=signed_in)).status_code == 403
    admin = {"authorization": f"Bearer {probe.sign(new_id(), 'admin')}"}
    assert (await probe.http.delete("/things", headers=admin)).status_code == 200


@pytest.mark.parametrize("value", ["Bearer nonsense", "Bearer ", "Basic YTpi", "Bearer a.b.c"])
async def test_a_bad_token_is_401_everywhere(probe: Probe, value: str) -> None:
    response = await probe.http.get("/things", headers={"authorization": value})
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("value", ["Bearer nonsense", "Bearer ", "Basic YTpi", "Bearer a.b.c"])
async def test_a_token_in_the_path_is_enough_whatever_else_is_sent(probe: Probe, value: str) -> None:
    assert (await probe.http.get("/ticket/good-a", headers={"authorization": value})).status_code == 200
    assert (await probe.http.get("/ticket/bad", headers={"authorization": f"Bearer {probe.token}"})).status_code == 401


async def test_each_token_in_a_path_has_its_own_limit_and_made_up_ones_share_their_senders(
    start: Callable[..., Awaitable[Probe]],
) -> None:
    probe = await start(MOOCFLIX_HTTP_MEDIA_LIMIT="3")
    tokens = [*(f"bad-{number}" for number in range(4)), *["good-a"] * 4, "good-b", "bad-5"]
    statuses = [(await probe.http.get(f"/ticket/{token}")).status_code for token in tokens]
    assert statuses == [401, 401, 401, 429, 200, 200, 200, 429, 200, 429]


async def test_addresses_of_one_ipv6_line_share_a_limit_and_those_of_ipv4_do_not(
    start: Callable[..., Awaitable[Probe]],
) -> None:
    probe = await start(MOOCFLIX_HTTP_API_LIMIT="1")
    statuses = []
    addresses = ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "::ffff:192.0.2.1", "192.0.2.2", "192.0.2.1")
    for address in addresses:
        transport = httpx.ASGITransport(probe.runtime.public, client=(address, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://probe") as http:
            statuses.append((await http.get("/things")).status_code)
    assert statuses == [200, 429, 200, 200, 200, 429]


async def test_a_limit_is_counted_for_each_caller(start: Callable[..., Awaitable[Probe]]) -> None:
    probe = await start(MOOCFLIX_HTTP_API_LIMIT="3")
    answers = [await probe.http.get("/things") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"api";q=3;w=60'
    assert answers[0].headers["ratelimit"].startswith('"api";r=2;')
    assert answers[3].headers["ratelimit"].startswith('"api";r=0;')
    assert 0 < int(answers[3].headers["retry-after"]) <= 21
    signed_in = {"authorization": f"Bearer {probe.token}"}
    assert (await probe.http.get("/things", headers=signed_in)).status_code == 200


@pytest.mark.parametrize(
    ("address", "headers", "role", "status"),
    [
        ("127.0.0.1", {}, None, 200),
        ("::1", {}, "student", 200),
        ("::ffff:127.0.0.1", {}, None, 200),
        ("127.0.0.1", {"x-forwarded-for": "203.0.113.7"}, None, 404),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, None, 404),
        ("127.0.0.1", {"forwarded": "for=203.0.113.7"}, None, 404),
        ("203.0.113.7", {}, None, 404),
        ("203.0.113.7", {"x-forwarded-for": "127.0.0.1"}, "student", 404),
        ("203.0.113.7", {"x-forwarded-for": "198.51.100.1"}, "admin", 200),
    ],
)
async def test_metrics_are_for_this_machine_and_for_admins(
    probe: Probe, address: str, headers: dict[str, str], role: str | None, status: int
) -> None:
    if role is not None:
        headers = {**headers, "authorization": f"Bearer {probe.sign(new_id(), role)}"}
    assert await metrics_status(probe, address, headers) == status


async def test_other_machines_may_read_the_metrics_where_they_are_named(start: Callable[..., Awaitable[Probe]]) -> None:
    probe = await start(MOOCFLIX_HTTP_METRICS_FROM="203.0.113.7", MOOCFLIX_HTTP_TRUSTED_PROXIES="127.0.0.1")
    assert await metrics_status(probe, "203.0.113.7", {}) == 200
    assert await metrics_status(probe, "127.0.0.1", {"x-forwarded-for": "203.0.113.7"}) == 404


async def test_the_machines_of_a_network_may_read_the_metrics(start: Callable[..., Awaitable[Probe]]) -> None:
    probe = await start(MOOCFLIX_HTTP_METRICS_FROM="10.1.0.0/16,2001:db8::/32")
    statuses = {"10.1.255.254": 200, "::ffff:10.1.0.1": 200, "2001:db8::9": 200, "10.2.0.1": 404, "2001:db9::9": 404}
    for address, status in statuses.items():
        assert await metrics_status(probe, address, {}) == status, address
    probe = await start(MOOCFLIX_HTTP_METRICS_FROM="::ffff:10.1.0.0/112,::/0")
    assert await metrics_status(probe, "10.1.0.9", {}) == 200
    assert await metrics_status(probe, "10.2.0.9", {}) == 404


async def test_processes_that_share_a_port_keep_their_numbers_apart(start: Callable[..., Awaitable[Probe]]) -> None:
    own = ("moocflix_http_requests_total", "moocflix_http_request_seconds_sum", "moocflix_database_connections")
    for workers in (1, 4):
        probe = await start(MOOCFLIX_HTTP_WORKERS=str(workers))
        await probe.http.get("/health/live")
        text = (await probe.http.get("/metrics")).text
        found = {line.partition("{")[0]: f'process="{os.getpid()}"' in line for line in text.splitlines()}
        assert {name: found[name] for name in own} == dict.fromkeys(own, workers > 1)
        assert 'moocflix_dead_letters{group="probe"} 0.0' in text


async def test_a_proxy_of_a_trusted_network_is_believed_for_whom_it_asks(
    start: Callable[..., Awaitable[Probe]],
) -> None:
    probe = await start(MOOCFLIX_HTTP_TRUSTED_PROXIES="10.2.0.0/16", MOOCFLIX_HTTP_API_LIMIT="1")
    # Who is told of last is who sends the request to the last proxy that is not ours.
    forwarded = ["198.51.100.1", "198.51.100.1, 198.51.100.2, 10.2.3.4", "198.51.100.1, 10.2.0.9"]
    transport = httpx.ASGITransport(probe.runtime.public, client=("10.2.0.1", 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://probe") as http:
        answers = [await http.get("/things", headers={"x-forwarded-for": chain}) for chain in forwarded]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


async def metrics_status(probe: Probe, address: str, headers: dict[str, str]) -> int:
    """What somebody at this address is told."""
    transport = httpx.ASGITransport(probe.runtime.public, client=(address, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://probe") as http:
        return (await http.get("/metrics", headers=headers)).status_code


async def test_a_page_of_an_allowed_origin_may_call(start: Callable[..., Awaitable[Probe]]) -> None:
    probe = await start(MOOCFLIX_HTTP_CORS_ORIGINS="https://app.example")
    allowed = await probe.http.options("/things", headers={"origin": "https://app.example"})
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    refused = await probe.http.get("/things", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in refused.headers


async def test_the_bus_and_other_services_see_no_table(probe_urls: DatabaseUrls) -> None:
    bus = await asyncpg.connect(probe_urls.bus)
    try:
        await bus.fetch("SELECT 1 FROM probe.outbox LIMIT 1")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await bus.fetch("SELECT 1 FROM probe.things LIMIT 1")
    finally:
        await bus.close()


async def test_the_log_line_names_route_and_user_and_no_secret(
    start: Callable[..., Awaitable[Probe]], tmp_path: Any
) -> None:
    probe = await start()
    with (tmp_path / "log").open("w") as out:
        lines = logs.configure(out=out)
        await probe.post("/things", {"name": "logged"}, x_correlation_id="log-me")
        lines.flush()
        logs.configure()
    text = (tmp_path / "log").read_text()
    assert '"route":"/things"' in text
    assert '"correlationId":"log-me"' in text
    assert probe.token not in text
    assert "logged" not in text


@pytest.mark.parametrize(("path", "status"), [("/things", 409), ("/wrapped", 500)])
async def test_the_log_tells_what_the_database_refused_but_no_value_of_the_row(
    start: Callable[..., Awaitable[Probe]], tmp_path: Any, path: str, status: int
) -> None:
    probe = await start()
    with (tmp_path / "log").open("w") as out:
        logs.configure(out=out)
        assert (await probe.post(path, {"name": "unheard-of"})).status_code == status
        logs.configure()
    text = (tmp_path / "log").read_text()
    assert "things_name_check" in text
    assert "probe.py" in text
    assert "unheard-of" not in text
