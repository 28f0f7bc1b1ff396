"""What enrolling costs with one, two and four processes of the enrolment service behind Envoy, on one machine.

    .venv/bin/python -m bench.scale [--seconds 8] [--connections 4] [--processes 1 2 4]

Starts the distributed platform as shipped (PostgreSQL, Kafka, Valkey, Envoy, relay, worker; limits set high) and more
processes of the enrolment service, and asks for new enrolments with `wrk` through an Envoy that knows them all, so many
at once for each process, since one that has more to do at once takes less time for each. The figure is CPU time for
each enrolment, by part, beyond what the part takes at rest; what relay, worker and Kafka do after the answer is waited
for.
"""

import argparse
import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from bench.processes import cpu_seconds
from moocflix.platform.local_servers import envoy
from moocflix.platform.local_servers.child import free_port

HERE = Path(__file__).parent
PEOPLE, COURSES, TOGETHER = 100, 900, 8
RESTS, WARM, REST, GAP = 0.1, 3, 4, 100
PASSWORD = "pass phrase 77"  # noqa: S105 - of people that exist for a minute
COURSE = {
    "title": "A course", "description": "What one learns here. " * 20, "category": "Science", "difficulty": "Beginner",
    "price": 0, "currency": "USD", "status": "published",
}  # fmt: skip


@contextmanager
def process(command: list[str], environ: dict[str, str], log: Path, url: str) -> Iterator[int]:
    """A process for the length of a block, once its URL answers."""
    with log.open("ab") as out:
        child = subprocess.Popen(command, env=environ, stdout=out, stderr=out)
    try:
        for _ in range(1200):
            try:
                if httpx.get(f"{url}/health/ready").status_code == httpx.codes.OK:
                    break
            except httpx.TransportError:
                assert child.poll() is None, log.read_text()[-3000:]
            time.sleep(0.1)
        yield child.pid
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(60)


async def seed(url: str) -> list[str]:
    """People and courses; a line of the load generator for every pair."""
    turns = asyncio.Semaphore(TOGETHER)
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:

        async def post(path: str, body: object, token: str = "") -> dict[str, str]:
            async with turns:
                headers = {"authorization": f"Bearer {token}"} if token else {}
                response = await http.post(path, json=body, headers=headers)
            assert response.is_success, f"{path} {response.text}"
            data: dict[str, str] = response.json()["data"]
            return data

        async def person(number: int, role: str) -> dict[str, str]:
            email = f"{role}{number}@example.org"
            body = {"name": f"{role} {number}", "email": email, "password": PASSWORD, "role": role}
            return await post("/api/v1/users/signup", body)

        teacher = (await person(0, "instructor"))["token"]
        people = await asyncio.gather(*(person(number, "student") for number in range(PEOPLE)))
        courses = await asyncio.gather(*(post("/api/v1/courses", COURSE, teacher) for _ in range(COURSES)))
    return [
        "\t".join(("POST", f"/api/v1/courses/{course['courseId']}/enroll", one["token"], one["userId"], ""))
        for course in courses
        for one in people
    ]


class Platform:
    """The distributed platform, and more of one service."""

    def __init__(self, folder: Path) -> None:
        """It runs already."""
        self.folder = folder
        state = json.loads((folder / "data" / "distributed.json").read_text())
        self.pids: dict[str, int] = {name: part["pid"] for name, part in state["processes"].items()}
        self.urls: dict[str, str] = {name: part.get("url", "") for name, part in state["processes"].items()}

    def settled(self) -> None:
        """Wait until relay and worker have nothing to do any more."""
        rested = False
        while not rested:
            before = [cpu_seconds(self.pids[name]) for name in ("relay", "worker")]
            time.sleep(1)
            after = [cpu_seconds(self.pids[name]) for name in ("relay", "worker")]
            rested = sum(after) - sum(before) < RESTS

    def more(self, stack: ExitStack, number: int) -> list[tuple[str, int]]:
        """So many processes of the service: their addresses and ids."""
        made = []
        environ = dict(
            line.split("=", 1)
            for line in Path(f"/proc/{self.pids['enrollments']}/environ").read_text().split("\0")
            if line
        )
        for _ in range(number):
            port = free_port()
            own = {**environ, "MOOCFLIX_HTTP_PORT": str(port), "MOOCFLIX_INTERNAL_PORT": str(free_port())}
            command = [sys.executable, "-m", "moocflix", "serve", "enrollments"]
            url = f"http://127.0.0.1:{port}"
            made.append((url, stack.enter_context(process(command, own, self.folder / "log", url))))
        return made

    def gateway(self, stack: ExitStack, addresses: list[str]) -> tuple[str, int]:
        """An Envoy that sends enrolments to these."""
        config = json.loads((self.folder / "data" / "run" / "envoy.json").read_text())
        port = free_port()
        config["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = port
        cluster = next(each for each in config["static_resources"]["clusters"] if each["name"] == "enrollments")
        places = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        one = json.dumps(places[0])
        old = json.loads(one)["endpoint"]["address"]["socket_address"]["port_value"]
        places[:] = [json.loads(one.replace(str(old), address.rpartition(":")[2])) for address in addresses]
        file = self.folder / f"envoy-{len(addresses)}.json"
        file.write_text(json.dumps(config))
        url = f"http://127.0.0.1:{port}"
        return url, stack.enter_context(process(envoy.command(file), dict(os.environ), self.folder / "log", url))


def run(platform: Platform, number: int, begin: int, options: argparse.Namespace) -> int:
    """One run with so many processes; prints a line and says how many pairs are used up."""
    with ExitStack() as stack:
        made = platform.more(stack, number)
        url, gateway = platform.gateway(stack, [address for address, _ in made])
        # Long enough for every process to open its connections and to have met everybody's token.
        used = begin + load(url, platform.folder, WARM, begin).requests + GAP
        platform.settled()
        at_once = {"service": [pid for _, pid in made], "Envoy": [gateway]}
        later = {name: [platform.pids[part]] for name, part in PARTS.items()}
        resting = Spent(at_once | later)
        time.sleep(REST)
        rest = {name: each / resting.elapsed for name, each in resting.seconds().items()}
        asking, working = Spent(at_once), Spent(later)
        done = load(url, platform.folder, options.seconds, used, number * options.connections)
        spent = asking.beyond(rest)
        platform.settled()
        spent |= working.beyond(rest)
    each = {name: share / done.requests * 1e6 for name, share in spent.items()}
    costs = "  ".join(f"{name} {cost:.0f}" for name, cost in each.items())
    resting_costs = "  ".join(f"{name} {share * 1e3:.0f}" for name, share in rest.items())
    print(
        f"{number} processes: {done.rate:.0f}/s, p50 {done.p50:.1f} ms, p99 {done.p99:.1f} ms, errors {done.errors}\n"
        f"  CPU us each: {costs}  in all {sum(each.values()):.0f}\n  at rest, CPU ms/s: {resting_costs}",
        flush=True,
    )
    return used + done.requests + GAP


class Spent:
    """CPU time of groups of processes from now on."""

    def __init__(self, groups: Mapping[str, list[int]]) -> None:
        """By name."""
        self._groups = groups
        self._began = time.monotonic()
        self._before = self._now()

    def _now(self) -> dict[str, float]:
        return {name: sum(map(cpu_seconds, pids)) for name, pids in self._groups.items()}

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def seconds(self) -> dict[str, float]:
        """By name."""
        return {name: spent - self._before[name] for name, spent in self._now().items()}

    def beyond(self, rest: Mapping[str, float]) -> dict[str, float]:
        """The same without what each takes at rest."""
        return {name: spent - rest[name] * self.elapsed for name, spent in self.seconds().items()}


class Load(NamedTuple):
    """What the load generator says; milliseconds."""

    requests: int
    rate: float
    errors: int
    p50: float
    p99: float


PARTS = {"PostgreSQL": "postgres", "Valkey": "valkey", "relay": "relay", "worker": "worker", "Kafka": "kafka"}


def load(url: str, folder: Path, seconds: float, begin: int, connections: int = 16) -> Load:
    """Ask for so long, from this line on."""
    environ = {**os.environ, "BENCH_REQUESTS": str(folder / "requests"), "BENCH_FROM": str(begin)}
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "-s", str(HERE / "requests.lua"), url]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    count, took, errors, p50, p99 = line.split()[1:]
    return Load(int(count), int(count) / int(took) * 1e6, int(errors), float(p50) / 1e3, float(p99) / 1e3)


def main() -> None:
    """Measure with each number of processes, and go through them as often as is asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--connections", type=int, default=4, help="requests at once, for each process")
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2, 4])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="moocflix-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        port = free_port()
        environ: dict[str, Any] = {
            **os.environ, "MOOCFLIX_DATA": str(folder / "data"), "MOOCFLIX_PORT": str(port),
            "MOOCFLIX_HTTP_API_LIMIT": "100000000", "MOOCFLIX_HTTP_AUTH_LIMIT": "100000000",
            "MOOCFLIX_GATEWAY_REQUESTS_PER_SECOND": "1000000",
        }  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "moocflix", "distributed"]
        with process(command, environ, folder / "log", url):
            while "Ready after" not in (folder / "log").read_text():
                time.sleep(0.1)
            (folder / "requests").write_text("\n".join(asyncio.run(seed(url))) + "\n")
            platform = Platform(folder)
            platform.settled()
            begin = 0
            for _, number in itertools.product(range(options.runs), options.processes):
                begin = run(platform, number, begin, options)


if __name__ == "__main__":
    main()
