"""Kills during a transcoding, on a whole installation: it ends well all the same, and nothing is left behind."""

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest

from tests.factories.platform import data_of
from tests.factories.videos import VideoKind, VideoShelf
from tests.journeys.conftest import Installation, eventually

# Long enough to be killed in the middle of it.
LONG = VideoKind(width=854, height=480, seconds=8, noisy=True)


@dataclass
class Teaching:
    """An instructor with a course and a long video under transcoding."""

    http: httpx.AsyncClient
    installation: Installation
    headers: dict[str, str]
    course_id: str
    video_id: str

    async def video(self) -> dict[str, object]:
        found: dict[str, object] = data_of(
            await self.http.get(f"/api/v1/content/{self.video_id}", headers=self.headers)
        )
        return found

    async def ready(self) -> bool | None:
        video = await self.video()
        assert video["status"] != "failed", video
        return True if video["status"] == "ready" else None

    def left(self) -> list[str]:
        """What lies in the scratch folder."""
        return [path.name for path in (self.installation.data / "scratch" / "content").iterdir()]

    def stored(self) -> list[Path]:
        """The files of the video."""
        folder = self.installation.data / "files" / "objects" / "videos" / self.video_id
        return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return VideoShelf(tmp_path_factory.mktemp("videos")).content(LONG)


@pytest.fixture
async def teaching(installation: Installation, http: httpx.AsyncClient, content: bytes) -> Teaching:
    person = {
        "name": "Ada",
        "email": f"{uuid4()}@example.org",
        "password": "a long enough phrase",
        "role": "instructor",
    }
    token = data_of(await http.post("/api/v1/users/signup", json=person))["token"]
    headers = {"authorization": f"Bearer {token}"}
    course = {
        "title": "T",
        "description": "D",
        "category": "Arts",
        "difficulty": "Beginner",
        "price": 0,
        "currency": "EUR",
    }
    course_id = data_of(await http.post("/api/v1/courses", json=course, headers=headers))["courseId"]
    form = {"courseId": course_id, "transcode": "true"}
    sent = await http.post("/api/v1/content/upload", data=form, files={"file": content}, headers=headers)
    return Teaching(http, installation, headers, course_id, data_of(sent)["videoId"])


def descendants(installation: Installation, word: str) -> list[psutil.Process]:
    """The installation's processes whose command line has this word in it."""
    found = []
    for process in psutil.Process(installation.process.pid).children(recursive=True):
        try:
            if word in " ".join(process.cmdline()):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


async def encoder(teaching: Teaching) -> psutil.Process:
    """The ffmpeg that is at work, once the first progress is told."""

    async def look() -> psutil.Process | None:
        video = await teaching.video()
        found = descendants(teaching.installation, "index.m3u8")
        return found[0] if found and video["status"] == "transcoding" and video["progress"] else None

    return await eventually(look)


async def test_a_killed_ffmpeg_is_started_again(teaching: Teaching) -> None:
    (await encoder(teaching)).kill()
    await eventually(teaching.ready, seconds=120)
    assert teaching.left() == []


async def test_a_killed_workers_transcoding_is_taken_up_again(teaching: Teaching) -> None:
    ffmpeg = await encoder(teaching)
    for worker in descendants(teaching.installation, "moocflix work"):
        worker.kill()

    async def gone() -> bool | None:
        return None if ffmpeg.is_running() and ffmpeg.status() != psutil.STATUS_ZOMBIE else True

    await eventually(gone, seconds=10)
    await eventually(teaching.ready, seconds=150)
    assert teaching.left() == []


async def test_a_video_deleted_while_it_is_transcoded_leaves_nothing(teaching: Teaching) -> None:
    await encoder(teaching)
    gone = await teaching.http.delete(f"/api/v1/content/{teaching.video_id}", headers=teaching.headers)
    assert gone.status_code == 200

    async def clean() -> bool | None:
        running = descendants(teaching.installation, "index.m3u8")
        return True if not running and not teaching.left() and not teaching.stored() else None

    await eventually(clean, seconds=60)
