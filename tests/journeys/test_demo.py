"""`make demo`: a believable catalogue, through the platform's own API."""

import subprocess
import sys
from typing import Any

import httpx

from tests.journeys.conftest import Installation

PASSWORD = "learning-never-stops"


def fill(installation: Installation) -> str:
    """Run the command; what it says."""
    command = [sys.executable, "-m", "moocflix", "demo", "--url", installation.url, "--film-seconds", "2"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def published(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    """All courses, as anybody sees them."""
    answer = (await http.get("/api/v1/courses", params={"limit": 100})).json()["data"]
    assert len(answer["courses"]) < 100
    courses: list[dict[str, Any]] = answer["courses"]
    return courses


async def counts(http: httpx.AsyncClient, *, besides: set[str]) -> dict[str, int]:
    """What there is of everything `besides` these courses."""
    made = [course for course in await published(http) if course["courseId"] not in besides]
    return {
        "courses": len(made),
        "categories": len({course["category"] for course in made}),
        "lessons": sum(course["lessonCount"] for course in made),
    }


async def test_the_demo_fills_a_platform_and_finds_it_filled_the_second_time(
    installation: Installation, http: httpx.AsyncClient
) -> None:
    others = {course["courseId"] for course in await published(http)}
    assert "grace.okafor@demo.moocflix.example" in fill(installation)
    first = await counts(http, besides=others)
    assert first["courses"] == 12
    assert first["categories"] >= 5
    assert first["lessons"] == 63

    fill(installation)
    assert await counts(http, besides=others) == first

    login = {"email": "ada.mensah@demo.moocflix.example", "password": PASSWORD}
    token = (await http.post("/api/v1/users/login", json=login)).json()["data"]["token"]
    mine = await http.get("/api/enrollments", headers={"authorization": f"Bearer {token}"})
    progress = sorted(one["progress"] for one in mine.json()["data"]["enrollments"])
    assert len(progress) == 3
    assert progress[0] < 1
    assert progress[-1] == 1


def test_the_demo_says_so_where_nothing_answers() -> None:
    command = [sys.executable, "-m", "moocflix", "demo", "--url", "http://127.0.0.1:9"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Start the platform first: make run" in done.stdout + done.stderr
