"""The best that the same server and database allow: bare ASGI applications.

`app` runs the same statements, without framework, token, limit, log, metrics or validation: a thin pool, one statement
for each request, rows encoded as they come. The caller is whoever the header says. `same_bytes` sends again, head and
body, what our server at `BARE_SAME_AS` has answered once.
"""

import os
import urllib.request
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from moocflix.contracts.enrollments import STUDENT_ENROLLED
from moocflix.contracts.progress import COURSE_COMPLETED, PROGRESS_UPDATED
from moocflix.platform.database.pool import Pool
from moocflix.platform.ids import new_id
from moocflix.services.courses.catalogue.model import CatalogueItem, Filters
from moocflix.services.courses.catalogue.sql import page_statement
from moocflix.services.courses.course import sql as course_sql
from moocflix.services.courses.structure import sql as structure_sql
from moocflix.services.enrollments.enrollment import sql as enrollment_sql
from moocflix.services.progress.progress import sql as progress_sql

encode = msgspec.json.Encoder(decimal_format="number").encode
HEADERS = [(b"content-type", b"application/json")]
CATALOGUE, CATALOGUE_ARGUMENTS = page_statement(Filters(), sort="newest", after=None, limit=21)

pools: dict[str, Pool] = {}
kept: dict[str, tuple[list[tuple[bytes, bytes]], bytes]] = {}


async def courses(path: str, _user: UUID, _body: bytes) -> Any:
    """A course by id."""
    row = await fetchrow("courses", course_sql._DETAILS, UUID(path[16:52]), None, False)
    return dict(row)


async def catalogue(_path: str, _user: UUID, _body: bytes) -> Any:
    """A page of the catalogue."""
    pool = pools["courses"]
    connection = await pool.acquire()
    rows = await connection.fetch(CATALOGUE, *CATALOGUE_ARGUMENTS)
    pool.release(connection)
    # By position: a dictionary of each row takes several times as long.
    return {"courses": [CatalogueItem(*row[1:]) for row in rows[:20]]}


async def structure(path: str, user: UUID, _body: bytes) -> Any:
    """A course's structure, for somebody who is enrolled."""
    pool = pools["courses"]
    connection = await pool.acquire()
    rows = await connection.fetch(structure_sql._STRUCTURE, UUID(path[13:49]), user, False, False)
    pool.release(connection)
    modules: dict[UUID, dict[str, Any]] = {}
    for row in rows:
        module = modules.setdefault(row[12], {"id": row[12], "title": row[13], "lessons": []})
        module["lessons"].append(
            {
                "id": row[0], "title": row[1], "type": row[2], "order": row[3], "status": row[4], "version": row[5],
                "preview": row[6], "duration": row[7], "url": row[8], "content": row[9], "videoId": row[10],
                "assessmentId": row[11],
            }
        )  # fmt: skip
    return {"title": rows[0]["course_title"], "modules": list(modules.values())}


async def progress(_path: str, user: UUID, body: bytes) -> Any:
    """A progress update with its outbox row."""
    said = msgspec.json.decode(body)
    row = await fetchrow(
        "progress", progress_sql._UPDATE, UUID(said["enrollmentId"]), user, UUID(said["moduleId"]),
        UUID(said["lessonId"]), said["progress"] * 100, said["timeSpent"], datetime.now(UTC), new_id(), new_id(),
        new_id(), PROGRESS_UPDATED.name, COURSE_COMPLETED.name, "bare", None,
    )  # fmt: skip
    return dict(row)


async def enroll(path: str, user: UUID, _body: bytes) -> Any:
    """An enrolment with its outbox row."""
    row = await fetchrow(
        "enrollments", enrollment_sql._ENROLL, new_id(), UUID(path[16:52]), user, None, datetime.now(UTC), new_id(),
        STUDENT_ENROLLED.name, "bare", None,
    )  # fmt: skip
    return dict(row)


async def fetchrow(service: str, sql: str, *arguments: Any) -> Any:
    """One row of one statement."""
    pool = pools[service]
    connection = await pool.acquire()
    row = await connection.fetchrow(sql, *arguments)
    pool.release(connection)
    return row


def route(method: str, path: str) -> tuple[str, Callable[[str, UUID, bytes], Awaitable[Any]]]:
    """Which of the five this is."""
    if method == "GET":
        if path.startswith("/api/courses/"):
            return "structure", structure
        return ("catalogue", catalogue) if path == "/api/v1/courses" else ("course", courses)
    return ("progress", progress) if path == "/api/progress/update" else ("enroll", enroll)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer."""
    if scope["type"] == "lifespan":
        await receive()
        for service in ("courses", "progress", "enrollments"):
            pools[service] = Pool(os.environ[f"BARE_{service.upper()}"], size=4)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    path, headers = scope["path"], dict(scope["headers"])
    message = await receive()
    _, handler = route(scope["method"], path)
    data = await handler(path, UUID(headers[b"x-user"].decode()), message.get("body", b""))
    body = encode({"status": "success", "data": data, "timestamp": datetime.now(UTC)})
    await answer(send, [*HEADERS, (b"content-length", b"%d" % len(body))], body)


async def same_bytes(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what was answered before."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    path = scope["path"]
    if path not in kept:
        token = dict(scope["headers"])[b"authorization"].decode()
        request = urllib.request.Request(os.environ["BARE_SAME_AS"] + path, headers={"authorization": token})  # noqa: S310
        with urllib.request.urlopen(request) as said:  # noqa: ASYNC210, S310 - once for each page, before it counts
            ours = [(name.encode(), value.encode()) for name, value in said.getheaders()]
            # These two the server adds by itself.
            kept[path] = [header for header in ours if header[0] not in {b"server", b"date"}], said.read()
    await answer(send, *kept[path])


async def answer(send: Any, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Send head and body."""
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
