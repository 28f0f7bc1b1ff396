"""A service whose routes do what the edge must cope with."""

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import httpx
import litestar
from msgspec import Meta

from moocflix.entrypoints.runtime import Runtime
from moocflix.platform.auth.access import ANYONE, CALLER, HOLDER, INSTRUCTOR, services
from moocflix.platform.errors import Conflict, CopyMissing, NotFound, Unauthorized
from moocflix.platform.events.envelope import State
from moocflix.platform.http.numbers import Number
from moocflix.platform.http.pagination import Cursor, Limit, next_cursor, read_id
from moocflix.platform.http.reply import Answer, Body, Reply, reply, stream_reply
from moocflix.platform.http.request import Request
from moocflix.platform.http.routes import delete, get, post, put
from moocflix.platform.ids import new_id
from moocflix.platform.service import Copy, Service, ServiceContext
from moocflix.platform.versions import check_version

CATS: set[UUID] = set()
"""What the owner of the copies knows."""


class ThingIn(Body):
    name: Annotated[str, Meta(min_length=1, max_length=50)]
    price: Number = Decimal(0)
    parent: UUID | None = None


class ThingOut(Body):
    thing_id: UUID
    name: str
    price: Decimal = Decimal("4.50")


class ThingList(Body):
    things: list[ThingOut]
    next_cursor: str | None


class Refused(Conflict):
    def __init__(self) -> None:
        super().__init__("Refused after the write.")


class RefusedWithTrace(Conflict):
    keeps_writes = True

    def __init__(self) -> None:
        super().__init__("Refused, and remembered.")


INSERT = "INSERT INTO things (id, name, parent) VALUES ($1, $2, $3)"


@post("/things", who=CALLER, status=201, summary="Make a thing")
async def make(request: Request, data: ThingIn) -> Reply[ThingOut]:
    thing_id = new_id()
    await request.tx.execute(INSERT, thing_id, data.name, data.parent)
    if data.name == "boom":
        raise RuntimeError("boom: secret-of-the-code")
    if data.name == "refuse":
        raise Refused
    if data.name == "remember":
        raise RefusedWithTrace
    if data.name == "slow":
        await asyncio.sleep(0.2)
    return reply(ThingOut(thing_id=thing_id, name=data.name, price=data.price), status=201)


@get("/things/{thing_id:uuid}", who=ANYONE, summary="One thing", cached=True)
async def one(request: Request, thing_id: UUID) -> Reply[ThingOut]:
    row = await request.db.fetchrow("SELECT id, name FROM things WHERE id = $1", thing_id)
    if row is None:
        raise NotFound("There is no such thing.")
    request.share()
    return reply(ThingOut(thing_id=row["id"], name=row["name"]), etag=3)


@get("/things", who=ANYONE, summary="Things")
async def things(request: Request, limit: Limit = 20, cursor: Cursor = None) -> Reply[ThingList]:
    after = read_id(cursor) or UUID(int=0)
    rows = await request.db.fetch("SELECT id, name FROM things WHERE id > $1 ORDER BY id LIMIT $2", after, limit + 1)
    found = [ThingOut(thing_id=row["id"], name=row["name"]) for row in rows[:limit]]
    return reply(ThingList(things=found, next_cursor=next_cursor(rows, limit, lambda row: (row["id"],))))


@put("/things/{thing_id:uuid}", who=CALLER, summary="Rename a thing")
async def rename(request: Request, thing_id: UUID, data: ThingIn) -> Reply[ThingOut]:
    check_version(7, request.if_match())
    await request.tx.execute("UPDATE things SET name = $2 WHERE id = $1", thing_id, data.name)
    return reply(ThingOut(thing_id=thing_id, name=data.name))


@delete("/things", who=INSTRUCTOR, summary="Remove all things")
async def clear(request: Request) -> Reply[None]:
    await request.tx.execute("DELETE FROM things")
    return reply(None)


@post("/alone", who=CALLER, summary="Write in one statement")
async def alone(request: Request, data: ThingIn) -> Reply[ThingOut]:
    thing_id = new_id()
    await request.tx.fetchrow_alone(f"{INSERT} RETURNING id", thing_id, data.name, data.parent)
    return reply(ThingOut(thing_id=thing_id, name=data.name))


@post("/wrapped", who=CALLER, summary="Fail because of the database")
async def wrapped(request: Request, data: ThingIn) -> Reply[None]:
    try:
        await request.tx.execute(INSERT, new_id(), data.name, None)
    except asyncpg.CheckViolationError as error:
        raise RuntimeError("It cannot be stored.") from error
    return reply(None)


@post("/pet", who=CALLER, summary="Needs the copy of a cat")
async def pet(request: Request, data: ThingIn) -> Reply[ThingOut]:
    assert data.parent is not None
    await request.tx.execute(INSERT, new_id(), data.name, None)
    if not await request.tx.fetchval("SELECT 1 FROM copies_of_cats WHERE cat_id = $1", data.parent):
        raise CopyMissing("cat", data.parent)
    return reply(ThingOut(thing_id=data.parent, name=data.name))


@post("/steps", who=CALLER, writes="intent", summary="Commit in steps")
async def steps(request: Request, data: ThingIn) -> Reply[ThingOut]:
    async with request.context.database.transaction() as tx:
        await tx.execute(f"{INSERT} ON CONFLICT DO NOTHING", request.operation_id, data.name, None)
    if data.name == "refuse":
        raise Refused
    await asyncio.sleep(0.1)
    return reply(ThingOut(thing_id=request.operation_id, name=data.name))


@get("/stream", who=ANYONE, summary="A body in pieces")
async def stream() -> Answer:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d," % number

    return stream_reply(pieces(), media_type="text/plain", headers={"content-length": "6"})


@get("/broken", who=ANYONE, summary="A body that breaks off")
async def broken() -> Answer:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"0,"
        raise ConnectionResetError

    return stream_reply(pieces(), media_type="text/plain")


@post("/files", who=CALLER, writes="stream", summary="Refuse a file of which it has read a part")
async def take_file(request: Request) -> Reply[None]:
    async for _ in request.stream():
        raise Refused
    return reply(None)


@post("/bytes", who=CALLER, writes="stream", summary="Count the bytes of a file")
async def measure(request: Request) -> Reply[int]:
    return reply(sum([len(piece) async for piece in request.stream()]))


def _is_good(_context: ServiceContext, token: str) -> bool:
    return token.startswith("good-")


@get("/ticket/{token:str}", who=HOLDER, rate="media", token_counts=_is_good, summary="Behind a token in the path")
async def ticket(token: str) -> Reply[str]:
    if not token.startswith("good-"):
        raise Unauthorized("This token does not count.")
    return reply(token)


@litestar.get("/undeclared")
async def undeclared() -> str:
    return "of the framework alone"


@get("/internal/secret", who=services("enrollments"), summary="For services")
async def secret() -> Reply[str]:
    return reply("secret")


class Cat(State, frozen=True, kw_only=True):
    cat_id: UUID


async def fetch_cat(_context: ServiceContext, cat_id: UUID) -> Cat | None:
    return Cat(cat_id=cat_id, version=1) if cat_id in CATS else None


async def upsert_cat(tx: object, cat: Cat) -> None:
    await tx.execute("INSERT INTO copies_of_cats VALUES ($1) ON CONFLICT DO NOTHING", cat.cat_id)  # type: ignore[attr-defined]


service = Service(
    name="probe",
    summary="What the edge must cope with.",
    migrations=Path(__file__).parent / "probe_migrations",
    routes=(
        make,
        one,
        things,
        rename,
        clear,
        alone,
        wrapped,
        pet,
        steps,
        stream,
        broken,
        take_file,
        measure,
        ticket,
        undeclared,
        secret,
    ),
    copies=(Copy(entity="cat", owner="cats", table="copies_of_cats", fetch=fetch_cat, upsert=upsert_cat),),
)


class Probe:
    def __init__(self, runtime: Runtime, http: httpx.AsyncClient, sign: Callable[..., str]) -> None:
        self.runtime = runtime
        self.http = http
        self.sign = sign
        self.token = sign(new_id(), "student")

    async def post(self, path: str, json: Any, **headers: str) -> httpx.Response:
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        sent.setdefault("authorization", f"Bearer {self.token}")
        return await self.http.post(path, json=json, headers=sent)

    async def names(self) -> list[str]:
        rows = await self.runtime.contexts["probe"].database.reader.fetch("SELECT name FROM things ORDER BY name")
        return [row["name"] for row in rows]
