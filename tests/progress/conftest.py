"""A learner on the way through a course."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.factories.platform import Course, Person, TestPlatform, data_of

SETTLED = timedelta(seconds=3)
"""By when everybody has been counted anew after a change of what counts."""


@dataclass
class Way:
    """One learner in one course, and what others were told of it."""

    platform: TestPlatform
    course: Course
    learner: Person
    enrollment_id: UUID

    async def go(
        self,
        lesson: tuple[UUID, UUID],
        progress: float,
        *,
        spent: int = 0,
        by: Person | None = None,
        but: dict[str, Any] | None = None,
    ) -> httpx.Response:
        """Send an update of a lesson, which comes with its module."""
        module_id, lesson_id = lesson
        body = {
            "enrollmentId": str(self.enrollment_id),
            "moduleId": str(module_id),
            "lessonId": str(lesson_id),
            "progress": progress,
            "timeSpent": spent,
            **(but or {}),
        }
        return await (by or self.learner).post("/api/progress/update", body)

    async def seen(self) -> Any:
        """The learner's own view."""
        return data_of(await self.learner.get(f"/api/progress/{self.enrollment_id}"))

    async def enrollment(self) -> Any:
        """The enrolment, once all is quiet."""
        await self.platform.settle(ahead=SETTLED)
        return data_of(await self.learner.get(f"/api/enrollments/{self.enrollment_id}"))

    async def told(self, topic: str) -> Sequence[Any]:
        """What progress has published of this enrolment."""
        rows = await self.platform.database("progress").reader.fetch(
            "SELECT data FROM outbox WHERE topic = $1 AND key = $2 ORDER BY seq", topic, str(self.enrollment_id)
        )
        return [row["data"] for row in rows]


async def begin(platform: TestPlatform, course: Course, learner: Person | None = None) -> Way:
    """Enrol somebody."""
    learner = learner or await platform.person()
    return Way(platform, course, learner, await platform.enrollment(learner, course))


@pytest.fixture
async def way(platform: TestPlatform) -> Way:
    """A course of two modules with two lessons each, and a learner in it."""
    return await begin(platform, await platform.course(modules=2, lessons=2))
