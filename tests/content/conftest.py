"""What the tests of content share: a shelf of real videos, and a class that owns, watches and looks in."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from moocflix.platform.settings import DatabaseSettings, PlatformSettings, Settings, load
from moocflix.platform.storage.port import Storage
from tests.conftest import LIMITS
from tests.factories.platform import Course, Person, TestPlatform, data_of
from tests.factories.videos import VideoKind, VideoShelf


@dataclass
class School:
    """A course with its owner, an enrolled learner, and a stranger who teaches elsewhere."""

    platform: TestPlatform
    videos: VideoShelf
    owner: Person
    learner: Person
    stranger: Person
    course: Course

    @property
    def storage(self) -> Storage:
        return self.platform.context("content").storage

    async def send(
        self, content: bytes, *, sender: Person | None = None, headers: Any = None, **fields: Any
    ) -> httpx.Response:
        """Upload these bytes; `fields` are the form's."""
        return await (sender or self.owner).post(
            "/api/v1/content/upload",
            data={"courseId": str(self.course.id), **fields},
            files={"file": ("a.mp4", content, "video/mp4")},
            headers=headers or {},
        )

    async def video(self, kind: VideoKind | None = None, *, transcode: bool = False) -> UUID:
        """Upload a video of this kind, and transcode it where that is asked for."""
        content = self.videos.content(kind or VideoKind())
        data = data_of(await self.send(content, transcode=str(transcode).lower()))
        if transcode:
            await self.platform.settle()
        return UUID(data["videoId"])

    async def stored(self, prefix: str = "videos/") -> list[str]:
        """The keys of what is stored."""
        return sorted([found.key async for found in self.storage.list(prefix)])

    async def rows(self, table: str) -> int:
        """How many rows a table of content has."""
        return int(await self.platform.database("content").reader.fetchval(f"SELECT count(*) FROM {table}"))


@asynccontextmanager
async def platform_with(platform: TestPlatform, **variables: str) -> AsyncIterator[TestPlatform]:
    """A second platform on the same database, with other settings."""
    kept = platform.settings
    environ = {"MOOCFLIX_DATA": str(kept.of(PlatformSettings).data), "MOOCFLIX_CONFIG": os.devnull, **LIMITS}
    other = TestPlatform(load(environ={**environ, **database_settings(kept), **variables}), platform.urls)
    await other.start()
    yield other
    await other.stop()


def database_settings(kept: Settings) -> dict[str, str]:
    """What names the tests' database."""
    return {"MOOCFLIX_DATABASE_URL": url} if (url := kept.of(DatabaseSettings).url) else {}


@pytest.fixture
async def school(platform: TestPlatform, videos: VideoShelf) -> School:
    owner = await platform.person(role="instructor")
    course = await platform.course(owner=owner)
    learner, stranger = await platform.person(), await platform.person(role="instructor")
    await platform.enrollment(learner, course)
    school = School(platform, videos, owner, learner, stranger, course)
    await school.storage.delete_prefix("videos/")
    return school


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    """Bytes as they come over a line."""
    for chunk in chunks:
        yield chunk
