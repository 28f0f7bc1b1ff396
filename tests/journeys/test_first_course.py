"""From a signup to a finished course: the platform's main job, from end to end, as its users do it."""

import io
from typing import Any
from urllib.parse import urljoin
from uuid import uuid4

import av
import httpx

from tests.factories.videos import VideoKind, VideoShelf
from tests.journeys.conftest import Installation, eventually

PASSWORD = "a long enough pass phrase"
SECONDS, RATE = 8, 25


def data_of(response: httpx.Response) -> Any:
    request = response.request
    assert response.is_success, f"{request.method} {request.url}: {response.status_code} {response.text}"
    return response.json()["data"]


async def sign_up(http: httpx.AsyncClient, role: str) -> dict[str, str]:
    body = {"name": f"Some {role}", "email": f"{uuid4()}@example.org", "password": PASSWORD, "role": role}
    return {"authorization": f"Bearer {data_of(await http.post('/api/v1/users/signup', json=body))['token']}"}


async def build_course(http: httpx.AsyncClient, teacher: dict[str, str], video: bytes) -> tuple[str, str, str, str]:
    course = {
        "title": f"Glass blowing {uuid4()}", "description": "From sand to bottle.", "category": "Crafts",
        "difficulty": "Beginner", "price": 0, "currency": "EUR",
    }  # fmt: skip
    course_id = data_of(await http.post("/api/v1/courses", json=course, headers=teacher))["courseId"]
    path = f"/api/v1/courses/{course_id}/modules"
    module = {"title": "The furnace", "status": "published"}
    module_id = data_of(await http.post(path, json=module, headers=teacher))["moduleId"]
    upload = await http.post(
        "/api/v1/content/upload",
        data={"courseId": course_id, "title": "Heat", "transcode": "true"},
        files={"file": ("heat.mp4", io.BytesIO(video), "video/mp4")},
        headers=teacher,
    )
    video_id = data_of(upload)["videoId"]
    assert upload.status_code == 201
    lesson = {"title": "Heat", "type": "VIDEO", "videoId": video_id, "status": "published"}
    lesson_id = data_of(await http.post(f"{path}/{module_id}/lessons", json=lesson, headers=teacher))["lessonId"]
    return course_id, module_id, lesson_id, video_id


async def until_ready(http: httpx.AsyncClient, teacher: dict[str, str], video_id: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        video: dict[str, Any] = data_of(await http.get(f"/api/v1/content/{video_id}", headers=teacher))
        assert video["status"] != "failed", video
        return video if video["status"] == "ready" else None

    return await eventually(look, seconds=120)


async def decoded(http: httpx.AsyncClient, playlist_url: str) -> tuple[set[tuple[int, int]], int, int]:
    """The sizes of the frames of one rendition, their number, and how many audio streams there are."""
    playlist = (await http.get(playlist_url)).text
    lines = playlist.splitlines()
    init = next(line.split('"')[1] for line in lines if line.startswith("#EXT-X-MAP"))
    parts = [init, *(line for line in lines if line and not line.startswith("#"))]
    content = b""
    for part in parts:
        response = await http.get(urljoin(playlist_url, part))
        assert response.status_code == 200, part
        content += response.content
    with av.open(io.BytesIO(content), "r") as container:
        frames = [(frame.width, frame.height) for frame in container.decode(video=0)]
        return set(frames), len(frames), len(container.streams.audio)


async def test_an_instructor_teaches_and_a_learner_finishes(http: httpx.AsyncClient, tmp_path: Any) -> None:
    video = VideoShelf(tmp_path).content(VideoKind(width=640, height=360, seconds=SECONDS, rate=RATE))
    teacher, learner = await sign_up(http, "instructor"), await sign_up(http, "student")
    course_id, module_id, lesson_id, video_id = await build_course(http, teacher, video)

    assert (await http.get(f"/api/v1/courses/{course_id}", headers=learner)).status_code == 404
    published = await http.put(f"/api/v1/courses/{course_id}", json={"status": "published"}, headers=teacher)
    assert published.status_code == 200
    title = data_of(await http.get(f"/api/v1/courses/{course_id}"))["title"]
    found = data_of(await http.get("/api/v1/courses", params={"q": "bottle glass"}, headers=learner))["courses"]
    assert course_id in [course["courseId"] for course in found]
    assert title in [course["title"] for course in found]

    async def enrol() -> httpx.Response | None:
        # Enrollments hears by an event that the course is published now.
        response = await http.post(f"/api/v1/courses/{course_id}/enroll", headers=learner)
        return None if response.status_code == 404 else response

    enrolled = await eventually(enrol, seconds=10)
    assert enrolled.status_code == 201
    enrollment_id = data_of(enrolled)["enrollmentId"]
    assert (await http.post(f"/api/v1/courses/{course_id}/enroll", headers=learner)).status_code == 409

    ready = await until_ready(http, teacher, video_id)
    assert abs(ready["duration"] - SECONDS) < 0.5

    async def master() -> httpx.Response | None:
        response = await http.get(f"/api/v1/content/{video_id}/stream", headers=learner)
        return response if response.status_code == 200 else None

    stream = await eventually(master)
    assert stream.headers["content-type"].startswith("application/vnd.apple.mpegurl")
    variants = [line for line in stream.text.splitlines() if line and not line.startswith("#")]
    heights = []
    for variant in variants:
        # A player sends no header of its own: the token is in the address.
        sizes, frames, sounds = await decoded(http, urljoin(str(stream.url), variant))
        assert len(sizes) == 1
        ((width, height),) = sizes
        assert abs(width / height - 640 / 360) < 0.02
        assert abs(frames - SECONDS * RATE) <= 2
        assert sounds == 1
        heights.append(height)
    assert max(heights) == 360
    assert len(set(heights)) == len(variants) >= 2

    async def lesson_seen() -> httpx.Response | None:
        update = {"enrollmentId": enrollment_id, "moduleId": module_id, "lessonId": lesson_id}
        update |= {"progress": 1, "timeSpent": 8}
        response = await http.post("/api/progress/update", json=update, headers=learner)
        return response if response.status_code == 200 else None

    await eventually(lesson_seen)
    progress = data_of(await http.get(f"/api/progress/{enrollment_id}", headers=learner))
    assert progress["progress"] == 1
    assert progress["lessonId"] == lesson_id

    async def completed() -> dict[str, Any] | None:
        enrollment: dict[str, Any] = data_of(await http.get(f"/api/enrollments/{enrollment_id}", headers=learner))
        # Two topics tell of it, in either order.
        return enrollment if enrollment["status"] == "completed" and enrollment["progress"] == 1 else None

    assert (await eventually(completed))["enrollmentId"] == enrollment_id
    students = data_of(await http.get(f"/api/v1/courses/{course_id}/students", headers=teacher))["students"]
    assert [student["status"] for student in students] == ["completed"]


async def test_the_platform_says_what_it_is(installation: Installation, http: httpx.AsyncClient) -> None:
    home, docs, description = [await http.get(path) for path in ("/", "/docs", "/openapi.json")]
    assert home.headers["content-type"].startswith("text/html")
    assert "/docs" in home.text
    assert docs.status_code == 200
    assert description.json()["openapi"].startswith("3.1")
    assert (await http.get("/health/live")).status_code == 200
    assert (await http.get("/health/ready")).json() == {"status": "ready", "degraded": []}
    assert "moocflix_http_requests_total" in (await http.get(installation.metrics_url)).text
