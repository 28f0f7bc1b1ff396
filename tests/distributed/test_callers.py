"""Under which address a caller is counted, through the gateway."""

from pathlib import Path

import httpx
import pytest

from tests.distributed.test_gateway import services_behind, until_it_answers
from tests.journeys.test_first_course import PASSWORD, data_of, sign_up

CLAIMS = [None, "198.51.100.1", "198.51.100.2, 127.0.0.1", ", 198.51.100.3"]


def headers(claim: str | None) -> dict[str, str]:
    return {} if claim is None else {"x-forwarded-for": claim}


async def test_nobody_on_this_machine_chooses_the_address_that_is_counted(http: httpx.AsyncClient) -> None:
    learner = await sign_up(http, "student")
    email = data_of(await http.get("/api/v1/users/profile", headers=learner))["email"]
    for claim in CLAIMS:
        login = {"email": email, "password": PASSWORD}
        data_of(await http.post("/api/v1/users/login", json=login, headers=headers(claim)))
    sessions = data_of(await http.get("/api/v1/users/sessions", headers=learner))["sessions"]
    assert [session["clientAddress"] for session in sessions] == ["127.0.0.1"] * 5


@pytest.mark.parametrize("trusted", [(), ("203.0.113.0/24",), ("::1", "203.0.113.7")])
async def test_whoever_is_no_proxy_of_ours_is_the_only_hop_that_services_are_told_of(
    tmp_path: Path, trusted: tuple[str, ...]
) -> None:
    async with services_behind(tmp_path, trusted_proxies=trusted) as (_, client):
        await until_it_answers(client, "/api/v1/courses")
        for claim in CLAIMS:
            told = (await client.get("/api/v1/courses", headers=headers(claim))).json()
            assert told["hops"] == ["127.0.0.1"], claim


@pytest.mark.parametrize("trusted", [("127.0.0.1",), ("203.0.113.7", "127.0.0.0/8")])
async def test_what_a_proxy_before_the_gateway_says_is_told_to_services(
    tmp_path: Path, trusted: tuple[str, ...]
) -> None:
    async with services_behind(tmp_path, trusted_proxies=trusted) as (_, client):
        await until_it_answers(client, "/api/v1/courses")
        told = (await client.get("/api/v1/courses", headers=headers("198.51.100.9, 203.0.113.7"))).json()
        assert told["hops"] == ["198.51.100.9, 203.0.113.7,127.0.0.1"]
