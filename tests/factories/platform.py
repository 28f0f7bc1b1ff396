"""The real platform in process, and people, courses and enrolments in a line each."""

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from moocflix.entrypoints.runtime import Runtime
from moocflix.entrypoints.services import SERVICES
from moocflix.entrypoints.users import create_admin
from moocflix.entrypoints.work import outboxes_of
from moocflix.platform.client import InternalClient
from moocflix.platform.database.transaction import Database
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.service import ServiceContext
from moocflix.platform.settings import Settings
from moocflix.platform.worker import Worker

PASSWORD = "correct horse battery staple"

# What a platform keeps from test to test: its keys, and where its consumers stand.
KEPT_TABLES = (
    "signing_keys",
    "token_keys",
    "revocation_numbers",
    "schema_migrations",
    "migrations",
    "offsets",
    "copies",
    "leases",
    "schedules",
)
_numbers = itertools.count(1)


@dataclass
class Person:
    """A signed-in person."""

    id: UUID
    name: str
    email: str
    role: str
    token: str
    refresh_token: str
    http: httpx.AsyncClient = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self._request("GET", path, options)

    async def post(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        return await self._request("POST", path, {"json": json, **options} if json is not None else options)

    async def put(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        return await self._request("PUT", path, {"json": json, **options} if json is not None else options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        return await self._request("DELETE", path, options)

    async def _request(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        headers = {**self.headers, **options.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **options)


@dataclass
class Course:
    """A course with its modules and their lessons, as ids in their order."""

    id: UUID
    owner: Person
    modules: list[UUID]
    lessons: list[list[UUID]]

    @property
    def all_lessons(self) -> list[tuple[UUID, UUID]]:
        """Every lesson with its module."""
        pairs = zip(self.modules, self.lessons, strict=True)
        return [(module, lesson) for module, lessons in pairs for lesson in lessons]


def data_of(response: httpx.Response) -> Any:
    """The envelope's data; the answer itself is the message of the assertion."""
    request = response.request
    assert response.is_success, f"{request.method} {request.url}: {response.status_code} {response.text}"
    return response.json()["data"]


class TestPlatform:
    """All services in this process, with no worker beside them: `settle` does what is to be done."""

    __test__ = False

    def __init__(self, settings: Settings, urls: DatabaseUrls) -> None:
        self.runtime = Runtime(settings, SERVICES, urls)
        self.settings = settings
        self.urls = urls
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.runtime.public), base_url="http://platform")
        self._admin: asyncpg.Connection[asyncpg.Record] | None = None

    async def start(self) -> None:
        self._admin = await asyncpg.connect(self.urls.admin)
        await self.runtime.start(broadcasts=False)

    async def stop(self) -> None:
        await self.http.aclose()
        await self.runtime.stop()
        if self._admin is not None:
            await self._admin.close()

    async def empty(self) -> None:
        """Delete everything that tests have made."""
        assert self._admin is not None
        rows = await self._admin.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY($1) AND tablename <> ALL($2)",
            [service.name for service in SERVICES], list(KEPT_TABLES),
        )  # fmt: skip
        deletes = "; ".join(f'DELETE FROM "{row["schemaname"]}"."{row["tablename"]}"' for row in rows)
        await self._admin.execute(f"BEGIN; SET LOCAL session_replication_role = replica; {deletes}; COMMIT")
        for service in SERVICES:
            self.runtime.pages.drop(service.name)

    def client(self, caller: str, target: str) -> InternalClient:
        """What this caller asks another service with; `platform` is the process itself."""
        return self.runtime._client(caller, target)  # noqa: SLF001 - the client that its own parts get

    async def settle(self, *, ahead: timedelta = timedelta(0)) -> None:
        """Run reactions, and jobs that are due within `ahead`, until nothing is left to do."""
        worker = Worker(SERVICES, self.runtime.contexts, outboxes_of(SERVICES, self.urls, poll=1.0))
        try:
            await worker.settle(ahead=ahead)
        finally:
            await worker.close()
        for service in SERVICES:
            self.runtime.pages.drop(service.name)

    def context(self, service: str) -> ServiceContext:
        return self.runtime.contexts[service]

    def database(self, service: str) -> Database:
        return self.runtime.contexts[service].database

    async def person(self, *, role: str = "student", name: str | None = None) -> Person:
        """Somebody who has just signed up, or been made an admin."""
        number = next(_numbers)
        name = name or f"{role.capitalize()} {number}"
        email = f"person{number}@example.org"
        if role == "admin":
            return await self._admin_person(name, email)
        body = {"name": name, "email": email, "password": PASSWORD, "role": role}
        data = data_of(await self.http.post("/api/v1/users/signup", json=body))
        return Person(UUID(data["userId"]), name, email, role, data["token"], data["refreshToken"], self.http)

    async def _admin_person(self, name: str, email: str) -> Person:
        await create_admin(self.context("users"), name=name, email=email, password=PASSWORD)
        return await self.sign_in(email, name=name, role="admin")

    async def sign_in(self, email: str, *, name: str = "", role: str = "student", password: str = PASSWORD) -> Person:
        """Another session of somebody."""
        data = data_of(await self.http.post("/api/v1/users/login", json={"email": email, "password": password}))
        return Person(UUID(data["userId"]), name, email, role, data["token"], data["refreshToken"], self.http)

    async def course(
        self, *, owner: Person | None = None, modules: int = 1, lessons: int = 1, published: bool = True, **fields: Any
    ) -> Course:
        """A course with so many modules of so many articles, everything published."""
        owner = owner or await self.person(role="instructor")
        status = "published" if published else "draft"
        body = {
            "title": "A course", "description": "About something.", "category": "Science", "difficulty": "Beginner",
            "price": 0, "currency": "USD", "status": status, **fields,
        }  # fmt: skip
        course_id = data_of(await owner.post("/api/v1/courses", body))["courseId"]
        module_ids, lesson_ids = [], []
        for number in range(modules):
            module = {"title": f"Module {number + 1}", "status": "published"}
            module_id = data_of(await owner.post(f"/api/v1/courses/{course_id}/modules", module))["moduleId"]
            module_ids.append(UUID(module_id))
            lesson_ids.append([await self.lesson(owner, course_id, module_id) for _ in range(lessons)])
        await self.settle()
        return Course(UUID(course_id), owner, module_ids, lesson_ids)

    async def lesson(self, owner: Person, course_id: Any, module_id: Any, **fields: Any) -> UUID:
        """One more published lesson."""
        body = {"title": "A lesson", "type": "ARTICLE", "content": "Some text.", "status": "published", **fields}
        path = f"/api/v1/courses/{course_id}/modules/{module_id}/lessons"
        return UUID(data_of(await owner.post(path, body))["lessonId"])

    async def enrollment(self, learner: Person, course: Course) -> UUID:
        """Enrol somebody."""
        data = data_of(await learner.post(f"/api/v1/courses/{course.id}/enroll"))
        await self.settle()
        return UUID(data["enrollmentId"])
