"""A whole platform over one of the brokers: a server, a worker and a relay, each a process as its users start it."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import asyncpg
import httpx
import pytest

from moocflix.entrypoints.services import SERVICES
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.migrations import migrate
from moocflix.platform.settings import PlatformSettings, Settings
from tests.conftest import LIMITS
from tests.databases import in_database
from tests.distributed.bus_office import Carrier, Server
from tests.journeys.conftest import free_port, wait_until_ready
from tests.journeys.test_first_course import data_of


@dataclass
class Brokered:
    """A running platform and what it stands on."""

    carrier: Carrier
    urls: DatabaseUrls
    environ: dict[str, str]
    url: str
    worker_port: int
    """Where the worker says that it lives, and how far its groups are behind."""
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def server(self) -> Server:
        assert self.carrier.server is not None
        return self.carrier.server

    def start(self, name: str) -> None:
        """One of serve, work and relay."""
        command = [sys.executable, "-m", "moocflix", name]
        environ = self.environ | ({"MOOCFLIX_HEALTH_PORT": str(self.worker_port)} if name == "work" else {})
        self.processes[name] = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(30)

    def moocflix(self, *arguments: str) -> str:
        """What a command prints; it must succeed."""
        command = [sys.executable, "-m", "moocflix", *arguments]
        done = subprocess.run(command, env=self.environ, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def table(self, *arguments: str) -> list[list[str]]:
        """A command's table, without its head."""
        return [line.split() for line in self.moocflix(*arguments).splitlines()[1:]]


@pytest.fixture(scope="session")
async def brokered(carrier: Carrier, settings: Settings) -> AsyncIterator[Brokered]:
    """On a database of its own."""
    urls = in_database(DatabaseUrls.of(settings), f"brokered_{uuid4().hex}")
    await migrate(urls, SERVICES)
    port = free_port()
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MOOCFLIX_")},
        **LIMITS,
        **carrier.environ,
        "MOOCFLIX_DATA": str(settings.of(PlatformSettings).data),
        "MOOCFLIX_DATABASE_URL": urls.admin,
        "MOOCFLIX_PORT": str(port),
        "MOOCFLIX_EVENTS_RELAY_LATE_SECONDS": "1",
    }
    platform = Brokered(carrier, urls, environ, f"http://127.0.0.1:{port}", free_port())
    try:
        for name in ("serve", "work", "relay"):
            platform.start(name)
        wait_until_ready(platform.url, platform.processes["serve"])
        yield platform
    finally:
        platform.stop()


@pytest.fixture
async def web(brokered: Brokered) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it."""
    async with httpx.AsyncClient(base_url=brokered.url, timeout=30) as client:
        yield client


async def courses(web: httpx.AsyncClient, number: int, headers: dict[str, str]) -> list[str]:
    """Make so many; their ids."""
    course = {
        "title": "Knots", "description": "For sailors.", "category": "Crafts", "difficulty": "Beginner", "price": 0,
        "currency": "EUR", "status": "published",
    }  # fmt: skip
    made = [await web.post("/api/v1/courses", json=course, headers=headers) for _ in range(number)]
    return [data_of(response)["courseId"] for response in made]


async def known_to_enrollments(brokered: Brokered, ids: Sequence[str], *, title: str = "Knots") -> bool:
    """Whether the copies of the enrollments service have all of these courses, with this title."""
    connection = await asyncpg.connect(brokered.urls.service("enrollments"))
    try:
        found = await connection.fetchval(
            "SELECT count(*) FROM courses_copy WHERE course_id = ANY ($1::text[]::uuid[]) AND title = $2", ids, title
        )
    finally:
        await connection.close()
    return bool(found == len(ids))
