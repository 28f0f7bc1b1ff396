"""What the instructors do: courses with modules, lessons and films, found where they are here already."""

import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from moocflix.entrypoints.demo import videos
from moocflix.entrypoints.demo.catalogue import Clip, Course, Lesson, Module
from moocflix.entrypoints.demo.client import CallFailedError
from moocflix.entrypoints.demo.people import Account

TRANSCODING_SECONDS = 600
CURRENCY = "EUR"


def teach(account: Account, course: Course, *, step: Callable[[str], None]) -> str:
    """Make what is missing of a course and publish it; its id. `step` is told of each lesson."""
    course_id = _course(account, course)
    known = account.api.get(f"/api/courses/{course_id}/structure")["modules"]
    for module in course.modules:
        _module(account, course_id, module, known, step)
    account.api.put(f"/api/v1/courses/{course_id}", {"status": "published"})
    return course_id


def wait_for_films(account: Account, course_id: str, *, says: Callable[[float], None]) -> None:
    """Wait until the films of a course are ready; `says` is told how far the transcoding is, 0..1."""
    lessons = _lessons(account.api.get(f"/api/courses/{course_id}/structure")["modules"])
    for video_id in {lesson["videoId"] for lesson in lessons if lesson.get("videoId")}:
        _wait(account, video_id, says)


def _course(account: Account, course: Course) -> str:
    mine = account.api.pages("/api/v1/courses", "courses", mine="true")
    found: str | None = next((one["courseId"] for one in mine if one["title"] == course.title), None)
    if found:
        return found
    body = {
        "title": course.title,
        "description": course.description,
        "category": course.category,
        "difficulty": course.difficulty,
        "price": course.price,
        "currency": CURRENCY,
        "tags": course.tags,
        "language": course.language,
    }
    made: str = account.api.post("/api/v1/courses", body)["courseId"]
    return made


def _module(
    account: Account, course_id: str, module: Module, known: list[dict[str, Any]], step: Callable[[str], None]
) -> None:
    found = next((one for one in known if one["title"] == module.title), None)
    if found is None:
        path = f"/api/v1/courses/{course_id}/modules"
        found = {"id": account.api.post(path, {"title": module.title, "status": "published"})["moduleId"]}
    titles = {lesson["title"] for lesson in found.get("lessons", [])}
    for lesson in module.lessons:
        if lesson.title not in titles:
            _lesson(account, course_id, found["id"], lesson)
        step(lesson.title)


def _lesson(account: Account, course_id: str, module_id: str, lesson: Lesson) -> None:
    body: dict[str, Any] = {
        "title": lesson.title,
        "type": lesson.type,
        "preview": lesson.preview,
        "status": "published",
    }
    given = {"content": lesson.content, "url": lesson.url, "duration": lesson.minutes * 60 or None}
    body |= {name: value for name, value in given.items() if value is not None}
    if lesson.clip:
        body["videoId"] = _upload(account, course_id, lesson.clip, lesson.title)
    account.api.post(f"/api/v1/courses/{course_id}/modules/{module_id}/lessons", body)


def _upload(account: Account, course_id: str, clip: Clip, title: str) -> str:
    with tempfile.TemporaryDirectory(prefix="moocflix-demo-") as folder:
        film = videos.make(clip, folder=Path(folder))
        with film.open("rb") as file:
            # The fields go before the file: the server streams it and wants to know the rest by then.
            fields: list[tuple[str, Any]] = [
                ("courseId", (None, course_id)),
                ("title", (None, title)),
                ("transcode", (None, "true")),
                ("file", (film.name, file, "video/mp4")),
            ]
            video_id: str = account.api.post("/api/v1/content/upload", files=fields)["videoId"]
    return video_id


def _wait(account: Account, video_id: str, says: Callable[[float], None]) -> None:
    until = time.monotonic() + TRANSCODING_SECONDS
    while time.monotonic() < until:
        video = account.api.get(f"/api/v1/content/{video_id}")
        if video["status"] == "ready":
            return
        if video["status"] == "uploaded":
            account.api.post(f"/api/v1/content/{video_id}/transcode")
        if video["status"] == "failed":
            message = f"The film {video_id} could not be transcoded: {video.get('error') or 'no reason given'}"
            raise CallFailedError(message)
        says(float(video.get("progress") or 0))
        time.sleep(1)
    message = f"The film {video_id} is not ready after {TRANSCODING_SECONDS} s; is the worker running?"
    raise CallFailedError(message)


def _lessons(modules: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [lesson for module in modules for lesson in module["lessons"]]
