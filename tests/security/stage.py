"""Who and what the tests of access meet: people in every relation to a few things that exist."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.factories.courses import upload
from tests.factories.platform import Course, Person, TestPlatform, data_of
from tests.factories.videos import VideoShelf

CALLERS = ("anonymous", "stranger", "student", "other instructor", "owner", "admin")
"""Nobody; a signed-in student who is not enrolled; an enrolled one; an instructor of other courses; the course's; an
admin.
"""

_NAME = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Stage:
    """The people by what they are to the course, and ids by what they name."""

    platform: TestPlatform
    people: Mapping[str, Person]
    ids: Mapping[str, Mapping[str, str]]
    video: bytes

    def headers(self, caller: str) -> dict[str, str]:
        """What this caller sends to be known by."""
        return {} if caller == "anonymous" else self.people[caller].headers

    def fill(self, content: Any, *, target: str, caller: str = "anonymous") -> Any:
        """Paths and bodies with the target's ids in their places; `{me}` is the caller."""
        ids = {**self.ids["published"], **self.ids[target], "me": self._me(caller)}
        if isinstance(content, str):
            return _NAME.sub(lambda found: ids[found[1]], content)
        if isinstance(content, dict):
            return {name: self.fill(value, target=target, caller=caller) for name, value in content.items()}
        if isinstance(content, list):
            return [self.fill(value, target=target, caller=caller) for value in content]
        return content

    def _me(self, caller: str) -> str:
        return str(self.people["stranger" if caller == "anonymous" else caller].id)


async def set_up(platform: TestPlatform, shelf: VideoShelf) -> Stage:
    """Make everything; it is settled when this returns."""
    roles = {"stranger": "student", "student": "student", "other instructor": "instructor", "owner": "instructor"}
    people = {name: await platform.person(role=role, name=name.capitalize()) for name, role in roles.items()}
    people["admin"] = await platform.person(role="admin", name="Admin")
    video = shelf.content()
    course = await platform.course(owner=people["owner"])
    ids = {
        "published": await _published(platform, course, video),
        "draft": await _draft(platform, people["owner"], video),
        "empty": await _one(platform, people["owner"]),
        "priced": await _one(platform, people["owner"], price=20),
        "draft module": await _draft_module(platform, course),
        "draft lesson": {"lesson_id": str(await _lesson(platform, course, status="draft"))},
    }
    ids["preview"] = await _preview(platform, course, video)
    ids["published"] |= await _learning(platform, people["student"], course)
    ids["published"] |= await _playback(people["student"], ids["published"]["video_id"])
    ids["published"] |= await _sessions(platform, people)
    ids["stranger"] = {"user_id": str(people["stranger"].id)}
    ids["asset"] = {"name": "browser.js"}
    ids["putting"] = await _signed(platform, ids["published"]["video_id"], "PUT")
    ids["reading"] = await _signed(platform, ids["published"]["video_id"], "GET")
    return Stage(platform, people, ids, video)


async def _published(platform: TestPlatform, course: Course, video: bytes) -> dict[str, str]:
    video_id = await upload(course.owner, course.id, video, transcode="true")
    await platform.settle()
    module, lesson = course.all_lessons[0]
    return {
        "course_id": str(course.id),
        "module_id": str(module),
        "lesson_id": str(lesson),
        "video_id": str(video_id),
        "user_id": str(course.owner.id),
    }


async def _draft(platform: TestPlatform, owner: Person, video: bytes) -> dict[str, str]:
    course = await platform.course(owner=owner, published=False)
    video_id = await upload(owner, course.id, video)
    module, lesson = course.all_lessons[0]
    return {"course_id": str(course.id), "module_id": str(module), "lesson_id": str(lesson), "video_id": str(video_id)}


async def _one(platform: TestPlatform, owner: Person, **fields: Any) -> dict[str, str]:
    course = await platform.course(owner=owner, **fields)
    module, lesson = course.all_lessons[0]
    return {"course_id": str(course.id), "module_id": str(module), "lesson_id": str(lesson)}


async def _draft_module(platform: TestPlatform, course: Course) -> dict[str, str]:
    module = data_of(await course.owner.post(f"/api/v1/courses/{course.id}/modules", {"title": "Later"}))["moduleId"]
    return {"module_id": module, "lesson_id": str(await platform.lesson(course.owner, course.id, module))}


async def _lesson(platform: TestPlatform, course: Course, **fields: Any) -> UUID:
    return await platform.lesson(course.owner, course.id, course.modules[0], **fields)


async def _preview(platform: TestPlatform, course: Course, video: bytes) -> dict[str, str]:
    video_id = await upload(course.owner, course.id, video)
    lesson = await _lesson(platform, course, type="VIDEO", videoId=str(video_id), preview=True)
    await platform.settle()
    return {"lesson_id": str(lesson), "video_id": str(video_id)}


async def _learning(platform: TestPlatform, student: Person, course: Course) -> dict[str, str]:
    enrollment = str(await platform.enrollment(student, course))
    module, lesson = course.all_lessons[0]
    noted = {"enrollmentId": enrollment, "moduleId": str(module), "lessonId": str(lesson), "progress": 0.5}
    data_of(await student.post("/api/progress/update", noted))
    await platform.settle()
    return {"enrollment_id": enrollment}


async def _playback(student: Person, video_id: str) -> dict[str, str]:
    master = (await student.get(f"/api/v1/content/{video_id}/stream")).text
    (token, file) = next(line for line in master.splitlines() if line.startswith("../play/")).split("/", 3)[2:]
    return {"token": token, "file": file}


async def _sessions(platform: TestPlatform, people: Mapping[str, Person]) -> dict[str, str]:
    spare = await platform.person(name="Spare")
    (session,) = data_of(await people["student"].get("/api/v1/users/sessions"))["sessions"]
    return {"session_id": session["sessionId"], "refresh_token": spare.refresh_token, "spare_email": spare.email}


async def _signed(platform: TestPlatform, video_id: str, method: Any) -> dict[str, str]:
    key = f"videos/{video_id}/source"
    url = await platform.context("content").storage.signed_url(key, method=method, seconds=600)
    return {"signature": url.split("/api/v1/files/")[1].split("/")[0], "key": key}
