"""Somebody who asks every service for something that it knows by itself, all the time, and notes the answers."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from tests.faults.distributed.links import Happened
from tests.faults.distributed.world import Enrollment, World
from tests.waiting import until

EVERY = 0.5
"""Seconds between two questions to one service."""

SOON = 6.0
"""Seconds after which an answer comes too late, where nothing is in the way; the machine is busy, too."""

FIRST = 60.0
"""Seconds within which somebody must have enrolled."""

AFTERMATH = 12.0
"""Seconds after which a service is as before, once its link is back."""

_QUESTIONS = {
    "users": "/api/v1/users/profile",
    "courses": "/api/v1/courses?limit=1",
    "enrollments": "/api/enrollments/{}",
    "progress": "/api/progress/{}",
    # It has no such video, and says so after a look.
    "content": "/api/v1/content/{}",
}


@dataclass(frozen=True)
class Answer:
    """What came of one question."""

    service: str
    asked: float
    seconds: float
    status: int
    retry_after: str | None

    def is_good(self) -> bool:
        """What is not there is not there: the service has looked."""
        return self.status < httpx.codes.INTERNAL_SERVER_ERROR and self.seconds < SOON


class Watch:
    """The answers so far."""

    def __init__(self, url: str, worlds: Sequence[World]) -> None:
        """Asks at the gateway, as the first learner of these worlds."""
        self.answers: list[Answer] = []
        self._worlds = worlds
        self._http = httpx.AsyncClient(base_url=url, timeout=30)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator["Watch"]:
        """Ask until the block ends."""
        async with self._http:
            enrollment = await self._enrollment()
            self._http.headers["authorization"] = f"Bearer {enrollment.learner.token}"
            tasks = [
                asyncio.create_task(self._ask(service, path.format(enrollment.id)))
                for service, path in _QUESTIONS.items()
            ]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def complaints(self, breaks: Sequence[Happened]) -> list[str]:
        """Answers that nothing excuses, and refusals that do not say when to come again."""
        silent = [answer for answer in self.answers if answer.status == 503 and not answer.retry_after]
        bad = [
            answer
            for answer in self.answers
            if not answer.is_good() and not any(_excused(answer, each) for each in breaks)
        ]
        return [f"without a reason: {answer}" for answer in bad] + [f"no Retry-After: {answer}" for answer in silent]

    async def _enrollment(self) -> Enrollment:
        def somebody_is_enrolled() -> bool:
            return any(world.enrollments for world in self._worlds)

        # Nobody ever is in a run of few commands.
        await until(somebody_is_enrolled, seconds=FIRST)
        return next(world.enrollments[0] for world in self._worlds if world.enrollments)

    async def _ask(self, service: str, path: str) -> None:
        while True:
            asked = time.monotonic()
            response = await self._http.get(path)
            seconds = time.monotonic() - asked
            self.answers.append(
                Answer(service, asked, seconds, response.status_code, response.headers.get("retry-after"))
            )
            await asyncio.sleep(max(0.0, EVERY - seconds))


def _excused(answer: Answer, each: Happened) -> bool:
    """Whether the service had to do without its database, or the gateway without the service."""
    ends = {each.what.one, each.what.other}
    needed = answer.service in ends and bool(ends & {"postgres", "gateway"})
    return needed and answer.asked < each.ended + AFTERMATH and answer.asked + answer.seconds > each.begun
