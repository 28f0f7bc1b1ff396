"""What the instructors do: courses with modules, lessons and films, found where they are here already."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moocflix.entrypoints.demo import videos
from moocflix.entrypoints.demo.catalogue import Clip, Course, Lesson, Module
from moocflix.entrypoints.demo.client import CallFailedError
from moocflix.entrypoints.demo.people import Account

TRANSCODING_SECONDS = 600
CURRENCY = "EUR"
CONFLICT = 409


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where an instructor builds courses; films last `seconds`, and `step` is told of each lesson."""

    account: Account
    seconds: int
    step: Callable[[str], None]

    def teach(self, course: Course) -> str:
        """Make what is missing of a course and publish it; its id."""
        course_id = self._course(course)
        known = self.account.api.get(f"/api/courses/{course_id}/structure")["modules"]
        for module in course.modules:
            self._module(course_id, module, known)
        self.account.api.put(f"/api/v1/courses/{course_id}", {"status": "published"})
        return course_id

    def _course(self, course: Course) -> str:
        mine = self.account.api.pages("/api/v1/courses", "courses", mine="true")
        found: str | None = next((one["courseId"] for one in mine if one["title"] == course.title), None)
        if found:
            return found
        fields = ("title", "description", "category", "difficulty", "price", "tags", "language")
        body = {name: getattr(course, name) for name in fields} | {"currency": CURRENCY}
        made: str = self.account.api.post("/api/v1/courses", body)["courseId"]
        return made

    def _module(self, course_id: str, module: Module, known: list[dict[str, Any]]) -> None:
        path = f"/api/v1/courses/{course_id}/modules"
        found = next((one for one in known if one["title"] == module.title), None)
        if found is None:
            body = {"title": module.title, "status": "published"}
            found = {"id": self.account.api.post(path, body)["moduleId"], "lessons": []}
        titles = {lesson["title"] for lesson in found["lessons"]}
        for lesson in module.lessons:
            if lesson.title not in titles:
                self.account.api.post(f"{path}/{found['id']}/lessons", self._lesson(course_id, lesson))
            self.step(lesson.title)

    def _lesson(self, course_id: str, lesson: Lesson) -> dict[str, Any]:
        body = {"title": lesson.title, "type": lesson.type, "preview": lesson.preview, "status": "published"}
        given = {"content": lesson.content, "url": lesson.url, "duration": lesson.minutes * 60 or None}
        if lesson.clip:
            given["videoId"] = self._upload(course_id, lesson.clip, lesson.title)
        return body | {name: value for name, value in given.items() if value is not None}

    def _upload(self, course_id: str, clip: Clip, title: str) -> str:
        with tempfile.TemporaryDirectory(prefix="moocflix-demo-") as folder:
            film = videos.make(clip, seconds=self.seconds, folder=Path(folder))
            with film.open("rb") as file:
                # The fields go before the file: the server streams it and wants to know the rest by then.
                fields: list[tuple[str, Any]] = [
                    ("courseId", (None, course_id)),
                    ("title", (None, title)),
                    ("transcode", (None, "true")),
                    ("file", (film.name, file, "video/mp4")),
                ]
                video_id: str = self.account.api.post("/api/v1/content/upload", files=fields)["videoId"]
        return video_id


def wait_for_films(account: Account, course_id: str, *, says: Callable[[float], None]) -> None:
    """Wait until the films of a course are ready; `says` is told how far the transcoding is, 0..1."""
    modules = account.api.get(f"/api/courses/{course_id}/structure")["modules"]
    for video_id in {lesson["videoId"] for module in modules for lesson in module["lessons"] if lesson["videoId"]}:
        _wait(account, video_id, says)


def _wait(account: Account, video_id: str, says: Callable[[float], None]) -> None:
    until = time.monotonic() + TRANSCODING_SECONDS
    while time.monotonic() < until:
        video = account.api.get(f"/api/v1/content/{video_id}")
        if video["status"] == "ready":
            return
        if video["status"] == "uploaded":
            _ask_to_transcode(account, video_id)
        if video["status"] == "failed":
            raise CallFailedError(
                f"The film {video_id} could not be transcoded: {video.get('error') or 'no reason given'}"
            )
        says(float(video.get("progress") or 0))
        time.sleep(1)
    raise CallFailedError(f"The film {video_id} is not ready after {TRANSCODING_SECONDS} s; is the worker running?")


def _ask_to_transcode(account: Account, video_id: str) -> None:
    try:
        account.api.post(f"/api/v1/content/{video_id}/transcode")
    except CallFailedError as refused:
        if refused.status != CONFLICT:  # somebody has asked meanwhile
            raise
