"""What tests of courses ask again and again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx

from moocflix.platform.auth.service_tokens import ServiceTokenSigner
from moocflix.platform.client import InternalClient
from moocflix.platform.service import ServiceContext
from tests.factories.platform import Person, TestPlatform, data_of

COURSE: Mapping[str, Any] = {
    "title": "Introduction to Python",
    "description": "Learn Python basics.",
    "category": "Programming",
    "difficulty": "Beginner",
    "price": 49.99,
    "currency": "USD",
}


async def published(platform: TestPlatform, topic: str) -> list[Any]:
    """What courses has said under a topic, oldest first."""
    rows = await platform.database("courses").reader.fetch(
        "SELECT data FROM outbox WHERE topic = $1 ORDER BY seq", topic
    )
    return [row["data"] for row in rows]


async def anonymous(platform: TestPlatform, method: str, path: str, json: Any = None) -> httpx.Response:
    """A request of nobody in particular."""
    return await platform.http.request(method, path, json=json)


async def statuses(people: Mapping[str, Person], method: str, path: str, json: Any = None) -> dict[str, int]:
    """What each of these people gets for the same request."""
    answers = {
        name: await person.http.request(method, path, headers=person.headers, json=json)
        for name, person in people.items()
    }
    return {name: answer.status_code for name, answer in answers.items()}


async def strangers(platform: TestPlatform) -> dict[str, Person]:
    """People who have nothing to do with a course: another instructor, a student."""
    return {
        "other instructor": await platform.person(role="instructor"),
        "student": await platform.person(role="student"),
    }


def faults(answer: httpx.Response) -> list[str]:
    """The fields that a 400 names."""
    assert answer.status_code == 400, answer.text
    return [detail["field"] for detail in answer.json()["error"]["details"]]


def etag(version: int) -> dict[str, str]:
    """The header that names the version that was read last."""
    return {"if-match": f'"{version}"'}


def outline(structure: Any) -> list[tuple[str, list[str]]]:
    """Module ids with their lessons' ids, in the order of a structure."""
    return [(module["id"], [lesson["id"] for lesson in module["lessons"]]) for module in structure["modules"]]


def path_of(course_id: UUID, *parts: object) -> str:
    """A path below a course."""
    return "/".join([f"/api/v1/courses/{course_id}", *map(str, parts)])


async def upload(owner: Person, course_id: object, video: bytes, **fields: str) -> UUID:
    """Have a course hold one more video."""
    form = {"courseId": str(course_id), **fields}
    answer = await owner.post("/api/v1/content/upload", data=form, files={"file": ("a.mp4", video, "video/mp4")})
    return UUID(data_of(answer)["videoId"])


def alone(platform: TestPlatform) -> ServiceContext:
    """The courses service while every other is away."""
    nobody = httpx.AsyncClient(base_url="http://127.0.0.1:9")
    signer = ServiceTokenSigner("courses", platform.runtime._service_keys)  # noqa: SLF001 - there is no other way in
    return replace(
        platform.context("courses"), http=lambda name: InternalClient(nobody, target=name, signer=signer), parts={}
    )
