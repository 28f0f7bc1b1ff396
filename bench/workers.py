"""What a read costs with one and two server processes on one port: `moocflix up --workers N`.

    .venv/bin/python -m bench.workers [--seconds 6] [--workers 1 2] [--kept 0 1]

Needs `wrk`. The figure is the CPU time of the server's processes for each request; that of the rest beside it.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

import httpx
import psutil

from bench.processes import cpu_seconds
from bench.scale import COURSE, PASSWORD, load, process
from moocflix.platform.local_servers.child import free_port

PEOPLE, COURSES, WARM = 20, 200, 3


async def seed(url: str) -> list[str]:
    """Everybody reads every course."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:

        async def post(path: str, body: object, token: str = "") -> dict[str, str]:
            response = await http.post(path, json=body, headers={"authorization": f"Bearer {token}"} if token else {})
            assert response.is_success, f"{path} {response.text}"
            data: dict[str, str] = response.json()["data"]
            return data

        async def person(number: int, role: str) -> str:
            email = f"{role}{number}@example.org"
            body = {"name": f"{role} {number}", "email": email, "password": PASSWORD, "role": role}
            return (await post("/api/v1/users/signup", body))["token"]

        teacher = await person(0, "instructor")
        people = [await person(number, "student") for number in range(PEOPLE)]
        courses = [(await post("/api/v1/courses", COURSE, teacher))["courseId"] for _ in range(COURSES)]
    return ["\t".join(("GET", f"/api/v1/courses/{course}", token, "-", "")) for course in courses for token in people]


def by_part(pid: int) -> dict[str, float]:
    """CPU seconds so far: each part's processes are below one child of the supervisor's."""
    found = {}
    for child in psutil.Process(pid).children():
        program, last = Path(child.cmdline()[0]).name, child.cmdline()[-1]
        found[last if last in {"serve", "work"} else program.split()[0]] = cpu_seconds(child.pid)
    return found


def measure(workers: int, seconds: float, *, kept: float) -> None:
    """Start the platform with so many, ask, and print a line; pages are `kept` for so many seconds."""
    with tempfile.TemporaryDirectory(prefix="moocflix-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        port = free_port()
        environ = {
            **os.environ, "MOOCFLIX_DATA": str(folder / "data"), "MOOCFLIX_PORT": str(port),
            "MOOCFLIX_HTTP_API_LIMIT": "100000000", "MOOCFLIX_HTTP_AUTH_LIMIT": "100000000",
            "MOOCFLIX_HTTP_CACHE_SECONDS": str(kept),
        }  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "moocflix", "up", "--workers", str(workers)]
        with process(command, environ, folder / "log", url) as pid:
            (folder / "requests").write_text("\n".join(asyncio.run(seed(url))) + "\n")
            load(url, folder, WARM, 0)
            before = by_part(pid)
            done = load(url, folder, seconds, 0)
            each = {part: (spent - before[part]) / done.requests * 1e6 for part, spent in by_part(pid).items()}
    costs = "  ".join(f"{part} {cost:.0f}" for part, cost in each.items())
    print(
        f"{workers} workers, pages kept for {kept:.0f} s: {done.rate:.0f}/s, p50 {done.p50:.1f} ms, "
        f"p99 {done.p99:.1f} ms, errors {done.errors}; CPU us each: {costs}",
        flush=True,
    )


def main() -> None:
    """One after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--kept", type=float, nargs="*", default=[0, 1])
    options = parser.parse_args()
    for workers in options.workers:
        for kept in options.kept:
            measure(workers, options.seconds, kept=kept)


if __name__ == "__main__":
    main()
