"""Intents: three committed steps, each once, whoever takes them and wherever a crash fell."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from moocflix.platform import intents
from moocflix.platform.auth.service_tokens import ServiceKeys, ServiceTokenSigner
from moocflix.platform.client import InternalClient
from moocflix.platform.database.transaction import Tx, in_transaction
from moocflix.platform.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PaymentNeeded,
    Refusal,
    Stale,
    TooLarge,
    TooSlow,
    Unauthorized,
    Unavailable,
    UnsupportedMedia,
)
from moocflix.platform.intents import Intent
from moocflix.platform.service import ServiceContext
from tests.platform.post_office import PostOffice, archive

LATER = timedelta(hours=1)


@pytest.fixture
def keys(tmp_path: Path) -> ServiceKeys:
    return ServiceKeys(tmp_path / "service-keys")


class Crash(BaseException):
    """What ends a process, as far as the code in it can tell."""


@dataclass
class OtherSide:
    """Counts the steps, and answers or fails as told."""

    steps: Counter[str] = field(default_factory=Counter)
    keys: set[str] = field(default_factory=set)
    fault: BaseException | None = None
    undone_by: type[Refusal] = Conflict
    crash_at: str = ""

    def step(self, name: str) -> None:
        self.steps[name] += 1
        if self.crash_at == name:
            self.crash_at = ""
            raise Crash

    def intent(self) -> Intent:
        async def start(_tx: Tx, payload: dict[str, Any]) -> None:
            self.step("start")
            if payload.get("bad"):
                raise Conflict("no")

        async def call(_context: ServiceContext, payload: dict[str, Any]) -> dict[str, Any]:
            assert not in_transaction()
            self.keys.add(payload["intentId"])
            if self.fault is not None:
                raise self.fault
            self.step("call")
            return {"said": payload["n"]}

        async def finish(_tx: Tx, payload: dict[str, Any], reply: Any) -> dict[str, Any]:
            self.step("finish")
            return {"n": payload["n"], "said": reply["said"]}

        async def undo(_tx: Tx, _payload: dict[str, Any], refusal: Refusal) -> None:
            assert isinstance(refusal, self.undone_by)
            self.step("undo")

        return Intent(name="deal", start=start, call=call, finish=finish, undo=undo)


async def jobs_left(office: PostOffice) -> int:
    count: int = await office.database("archive").reader.fetchval("SELECT count(*) FROM jobs WHERE status <> 'done'")
    return count


async def test_its_steps_happen_once_however_often_it_is_run(office: PostOffice) -> None:
    side, context, intent_id = OtherSide(), office.context("archive"), uuid4()
    results = [await intents.run(context, side.intent(), {"n": 7}, intent_id=intent_id) for _ in range(3)]
    assert results == [{"n": 7, "said": 7}] * 3
    assert side.steps == {"start": 1, "call": 1, "finish": 1}
    assert await jobs_left(office) == 0


async def test_several_at_once_commit_each_step_once(office: PostOffice) -> None:
    side, context, intent_id = OtherSide(), office.context("archive"), uuid4()
    deal = side.intent()
    results = await asyncio.gather(*(intents.run(context, deal, {"n": 7}, intent_id=intent_id) for _ in range(8)))
    assert results == [{"n": 7, "said": 7}] * 8
    assert side.steps["start"] == side.steps["finish"] == 1
    assert len(side.keys) == 1


async def test_a_refusal_of_the_other_side_is_undone_and_told(office: PostOffice) -> None:
    side, context, intent_id = OtherSide(fault=Conflict("not now")), office.context("archive"), uuid4()
    for _ in range(2):
        with pytest.raises(Conflict, match="not now"):
            await intents.run(context, side.intent(), {"n": 1}, intent_id=intent_id)
    assert side.steps == {"start": 1, "undo": 1}
    assert await jobs_left(office) == 0


FINAL = [
    Invalid,
    Unauthorized,
    PaymentNeeded,
    Forbidden,
    NotFound,
    TooSlow,
    Conflict,
    Stale,
    TooLarge,
    UnsupportedMedia,
]


@pytest.mark.parametrize("kind", FINAL)
async def test_a_refusal_is_of_the_same_kind_out_of_an_answer_and_out_of_an_intent(
    office: PostOffice, keys: ServiceKeys, kind: type[Refusal]
) -> None:
    said = httpx.Response(kind.status, json={"error": {"message": "not so"}})
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: said), base_url="http://users") as http:
        client = InternalClient(http, target="users", signer=ServiceTokenSigner("courses", keys))
        with pytest.raises(Refusal, match="not so") as answered:
            await client.get("/internal/words", reply=str)
    side, intent_id = OtherSide(fault=kind("not so"), undone_by=type(answered.value)), uuid4()
    with pytest.raises(Refusal, match="not so") as kept:
        await intents.run(office.context("archive"), side.intent(), {"n": 1}, intent_id=intent_id)
    about_the_caller = kind not in {Unauthorized, TooSlow, TooLarge, UnsupportedMedia}
    assert type(kept.value) is type(answered.value) is (kind if about_the_caller else Unavailable)


async def test_a_refusal_at_the_start_leaves_nothing(office: PostOffice) -> None:
    side, context = OtherSide(), office.context("archive")
    with pytest.raises(Conflict):
        await intents.run(context, side.intent(), {"bad": True}, intent_id=uuid4())
    assert await context.database.reader.fetchval("SELECT count(*) FROM intents") == 0
    assert await jobs_left(office) == 0


async def test_an_absent_other_side_leaves_it_to_the_job(office: PostOffice) -> None:
    side, context = OtherSide(fault=Unavailable()), office.context("archive")
    with pytest.raises(Unavailable):
        await intents.run(context, side.intent(), {"n": 1}, intent_id=uuid4())
    service = archive(intents=(side.intent(),))
    await office.settle(service)
    assert side.steps == {"start": 1}
    side.fault = None
    await office.settle(service, ahead=LATER)
    assert side.steps == {"start": 1, "call": 1, "finish": 1}


@pytest.mark.parametrize("place", ["call", "finish", "undo"])
async def test_a_crash_at_any_step_is_made_good_by_the_job(office: PostOffice, place: str) -> None:
    side = OtherSide(crash_at=place, fault=Conflict("no") if place == "undo" else None)
    context, intent_id = office.context("archive"), uuid4()
    with pytest.raises(Crash):
        await intents.run(context, side.intent(), {"n": 1}, intent_id=intent_id)
    await office.settle(archive(intents=(side.intent(),)), ahead=LATER)
    status = await context.database.reader.fetchval("SELECT status FROM intents WHERE id = $1", intent_id)
    assert status == ("undone" if place == "undo" else "finished")
    assert await jobs_left(office) == 0


async def test_it_refuses_to_run_inside_a_transaction(office: PostOffice) -> None:
    side, context = OtherSide(), office.context("archive")
    async with context.database.transaction() as tx:
        await tx.fetchval("SELECT 1")
        with pytest.raises(RuntimeError):
            await intents.run(context, side.intent(), {"n": 1}, intent_id=uuid4())
