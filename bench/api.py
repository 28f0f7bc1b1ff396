"""What a request costs: our server against a bare ASGI application that runs the same statements, in one run.

    .venv/bin/python -m bench.api [--seconds 5] [--runs 3] [--only "course" "course cached" ...]

Needs `wrk`. One worker of the server each, 16 connections, as shipped (tokens, limits, log and metrics on; limits set
high). The figure is the CPU time of the server's processes for each request; requests/s and latencies beside it.
Runs alternate; medians are shown.
"""

import argparse
import asyncio
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.processes import cpu_seconds
from moocflix.entrypoints.services import SERVICES
from moocflix.platform.database.urls import DatabaseUrls
from moocflix.platform.migrations import migrate
from moocflix.platform.postgres_server import PostgresServer
from moocflix.platform.settings import load

HERE = Path(__file__).parent
PYTHON = sys.executable
PEOPLE, COURSES, TAKEN, HOT = 60, 1300, 5, 20
PASSWORD = "pass phrase 77"  # noqa: S105 - of people that exist for a minute
TEXT = "Text. " * 30
UPDATE = '{"enrollmentId":"%s","moduleId":"%s","lessonId":"%s","progress":0.5,"timeSpent":1}'
UNCACHED = ["course", "catalogue", "structure", "progress", "enroll"]
CACHED = ["course cached", "catalogue cached"]
UNCOUNTED = 100
"""More than the load generator has sent at its end without waiting for the answers: none of them is sent again."""


@dataclass
class Seeded:
    """What there is to ask for."""

    tokens: list[tuple[str, str]]
    courses: list[str]
    updates: list[tuple[int, str]]


@dataclass
class Result:
    """One run."""

    cpu_us: float
    rate: float
    p50: float
    p99: float
    errors: int


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(*command: str, environ: dict[str, str], log: Path, url: str | None = None) -> Iterator[int]:
    """A process for the length of a block; ready when `url` answers."""
    with log.open("ab") as out:
        child = subprocess.Popen(command, env=environ, stdout=out, stderr=out)
    try:
        for _ in range(200):
            if url is None:
                break
            try:
                httpx.get(url)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield child.pid
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(20)


async def seed(url: str) -> Seeded:
    """People, courses with modules and lessons, and enrolments, through the API."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:

        async def post(path: str, body: object, token: str = "") -> dict[str, str]:
            response = await http.post(path, json=body, headers={"authorization": f"Bearer {token}"} if token else {})
            assert response.is_success, f"{path} {response.text}"
            data: dict[str, str] = response.json()["data"]
            return data

        async def person(number: int, role: str) -> tuple[str, str]:
            email = f"{role}{number}@example.org"
            body = {"name": f"{role} {number}", "email": email, "password": PASSWORD, "role": role}
            data = await post("/api/v1/users/signup", body)
            return data["userId"], data["token"]

        _, teacher = await person(0, "instructor")
        tokens = [await person(number, "student") for number in range(PEOPLE)]
        courses: list[str] = []
        lessons: dict[str, list[tuple[str, str]]] = {}
        for number in range(COURSES):
            course = {
                "title": f"Course {number} of the bench", "description": "What one learns here. " * 20,
                "category": "Science", "difficulty": "Beginner", "price": 0, "currency": "USD", "status": "published",
            }  # fmt: skip
            course_id = (await post("/api/v1/courses", course, teacher))["courseId"]
            courses.append(course_id)
            if number < TAKEN:
                lessons[course_id] = []
                for module in range(8):
                    path = f"/api/v1/courses/{course_id}/modules"
                    body = {"title": f"Module {module}", "status": "published"}
                    module_id = (await post(path, body, teacher))["moduleId"]
                    for lesson in range(5):
                        body = {"title": f"Lesson {lesson}", "type": "ARTICLE", "content": TEXT, "status": "published"}
                        made = await post(f"{path}/{module_id}/lessons", body, teacher)
                        lessons[course_id].append((module_id, made["lessonId"]))
        await asyncio.sleep(3)
        updates = []
        for index, (_, token) in enumerate(tokens):
            for course_id in courses[:TAKEN]:
                enrollment = (await post(f"/api/v1/courses/{course_id}/enroll", None, token))["enrollmentId"]
                updates += [(index, UPDATE % (enrollment, *lesson)) for lesson in lessons[course_id]]
        await asyncio.sleep(10)
    return Seeded(tokens, courses, updates)


def scenarios(seeded: Seeded, folder: Path) -> dict[str, Path]:
    """A file of requests for each."""
    chance = random.Random(7)
    people = seeded.tokens

    def line(method: str, path: str, person: tuple[str, str], body: str = "") -> str:
        return "\t".join((method, path, person[1], person[0], body))

    requests = {
        "course": [line("GET", f"/api/v1/courses/{course}", chance.choice(people)) for course in seeded.courses],
        "catalogue": [line("GET", "/api/v1/courses", person) for person in people],
        "structure": [
            line("GET", f"/api/courses/{course}/structure", person)
            for course in seeded.courses[:TAKEN]
            for person in people
        ],
        "progress": [line("POST", "/api/progress/update", people[index], body) for index, body in seeded.updates],
        "enroll": [
            line("POST", f"/api/v1/courses/{course}/enroll", person)
            for course in seeded.courses[TAKEN:]
            for person in people
        ],
        # What the byte cache is for: a few pages that everybody asks for.
        "course cached": [
            line("GET", f"/api/v1/courses/{course}", person) for course in seeded.courses[:HOT] for person in people
        ],
        "catalogue cached": [line("GET", "/api/v1/courses", person) for person in people],
    }
    chance.shuffle(requests["progress"])
    files = {}
    for name, lines in requests.items():
        files[name] = folder / f"{name}.requests"
        files[name].write_text("\n".join(lines) + "\n")
    return files


def load_run(url: str, pid: int, requests: Path, *, seconds: float, begin: int = 0) -> tuple[Result, int]:
    """One run of the load generator."""
    environ = {**os.environ, "BENCH_REQUESTS": str(requests), "BENCH_FROM": str(begin)}
    before = cpu_seconds(pid)
    command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "-s", str(HERE / "requests.lua"), url]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    spent = cpu_seconds(pid) - before
    number, took, errors, p50, p99 = next(
        line.split()[1:] for line in done.stdout.splitlines() if line.startswith("RESULT")
    )
    count = int(number)
    result = Result(spent / count * 1e6, count / (int(took) / 1e6), float(p50) / 1e3, float(p99) / 1e3, int(errors))
    return result, count


def measure(name: str, targets: dict[str, tuple[str, int]], requests: Path, options: argparse.Namespace) -> None:
    """Alternate the targets and print a line for each, and the ratio."""
    results: dict[str, list[Result]] = {target: [] for target in targets}
    begin = 0
    for url, pid in targets.values():
        _, count = load_run(url, pid, requests, seconds=1, begin=begin)
        begin += count + UNCOUNTED
    for _ in range(options.runs):
        for target, (url, pid) in targets.items():
            result, count = load_run(url, pid, requests, seconds=options.seconds, begin=begin)
            begin += count + UNCOUNTED
            results[target].append(result)
    cost = {}
    for target, runs in results.items():
        cost[target] = statistics.median(run.cpu_us for run in runs)
        rate = statistics.median(run.rate for run in runs)
        p50, p99 = (statistics.median(getattr(run, field) for run in runs) for field in ("p50", "p99"))
        errors = sum(run.errors for run in runs)
        times = f"p50 {p50:6.2f} ms  p99 {p99:6.2f} ms"
        print(f"{name:18} {target:5} {cost[target]:7.0f} us  {rate:8.0f}/s  {times}  errors {errors}")
    print(f"{name:18} ratio {cost['bare'] / cost['ours']:6.0%}", flush=True)


def main() -> None:
    """Measure all scenarios, then the cached ones."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=UNCACHED + CACHED, default=UNCACHED + CACHED)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="moocflix-bench-"))
    folder.chmod(0o755)
    server = PostgresServer(folder / "data")
    server.start()
    try:
        run_all(folder, options)
    finally:
        server.stop()
        shutil.rmtree(folder)


def run_all(folder: Path, options: argparse.Namespace) -> None:
    """With the database running."""
    port, bare_port, cached_port = free_port(), free_port(), free_port()
    environ = {
        **os.environ, "MOOCFLIX_DATA": str(folder / "data"), "MOOCFLIX_PORT": str(port),
        "MOOCFLIX_HTTP_API_LIMIT": "100000000", "MOOCFLIX_HTTP_AUTH_LIMIT": "100000000", "PYTHONPATH": f"src:{HERE}",
    }  # fmt: skip
    urls = DatabaseUrls.of(load(environ=environ))
    asyncio.run(migrate(urls, SERVICES))
    for service in ("courses", "progress", "enrollments"):
        environ[f"BARE_{service.upper()}"] = urls.service(service)
    log = folder / "log"
    cached = {"MOOCFLIX_HTTP_CACHE_SECONDS": "1", "BARE_SAME_AS": f"http://127.0.0.1:{cached_port}"}
    uncached = {"MOOCFLIX_HTTP_CACHE_SECONDS": "0"}
    serve = (PYTHON, "-m", "moocflix", "serve")

    def bare(at: int, app: str) -> tuple[str, ...]:
        return (str(Path(PYTHON).parent / "granian"), "--interface", "asgi", "--port", str(at), "--runtime-mode", "st",
                "--loop", "uvloop", "--http", "1", "--no-ws", "--no-access-log", app)  # fmt: skip

    def ours_at(at: int) -> str:
        return f"http://127.0.0.1:{at}"

    with (
        process(*serve, environ=environ, log=log, url=ours_at(port) + "/health/live"),
        process(PYTHON, "-m", "moocflix", "work", environ=environ, log=log),
    ):
        seeded = asyncio.run(seed(ours_at(port)))
    files = scenarios(seeded, folder)
    for kind, extra, names in (("", uncached, UNCACHED), (" cached", cached, CACHED)):
        own_port = port if not kind else cached_port
        own = {**environ, **extra, "MOOCFLIX_PORT": str(own_port)}
        plain_port = bare_port if not kind else free_port()
        with (
            process(*serve, environ=own, log=log, url=ours_at(own_port) + "/health/live") as ours_pid,
            process(*bare(plain_port, "bare:same_bytes" if kind else "bare:app"), environ=own, log=log) as bare_pid,
        ):
            time.sleep(2)
            for name in names:
                if name in options.only:
                    targets = {"ours": (ours_at(own_port), ours_pid), "bare": (ours_at(plain_port), bare_pid)}
                    measure(name, targets, files[name], options)


if __name__ == "__main__":
    main()
