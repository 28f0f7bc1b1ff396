"""An embedded installation that was cut off moves to PostgreSQL, Kafka and S3 elsewhere, as its users do it."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.distributed.other_place import BARE, OtherPlace, other_place
from tests.distributed.test_neighbours import COURSE
from tests.factories.videos import VideoShelf
from tests.journeys.conftest import Installation, eventually, free_port, wait_until_ready
from tests.journeys.test_first_course import data_of, sign_up

LEARNERS = 12


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="moocflix-move-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def there(folder: Path) -> Iterator[OtherPlace]:
    (folder / "there").mkdir()
    with other_place(folder / "there") as place:
        migrated = subprocess.run(place.command("migrate"), env={**BARE, **place.settings}, check=False)
        assert migrated.returncode == 0
        yield place


@pytest.fixture
def embedded(folder: Path) -> Iterator[Installation]:
    """`moocflix up`, which the test ends by kill -9."""
    environ = {**BARE, "MOOCFLIX_PORT": str(free_port()), "MOOCFLIX_DATA": str(folder / "here")}
    environ |= {"MOOCFLIX_HTTP_API_LIMIT": "100000", "MOOCFLIX_HTTP_AUTH_LIMIT": "100000"}
    process = subprocess.Popen([sys.executable, "-m", "moocflix", "up"], env=environ)
    url = f"http://127.0.0.1:{environ['MOOCFLIX_PORT']}"
    try:
        wait_until_ready(url, process)
        yield Installation(url, folder / "here", process, environ)
    finally:
        cut_off(process)


def cut_off(process: subprocess.Popen[bytes]) -> None:
    """As a power cut would, and until nothing of it is left."""
    if process.poll() is None:
        below = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        for one in below:
            # It may have gone with its parent.
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(below, timeout=30)


def move(embedded: Installation, there: OtherPlace, *options: str) -> subprocess.CompletedProcess[str]:
    command = there.command("move", str(there.file), *options)
    return subprocess.run(command, env=embedded.environ, capture_output=True, text=True, timeout=180, check=False)


@dataclass(frozen=True)
class History:
    """What was acknowledged before."""

    teacher: dict[str, str]
    course: str
    video: str
    learners: list[dict[str, str]]


async def history(embedded: Installation, video: bytes) -> History:
    """A course with a video, and learners whose enrolments nobody but their own service has heard of."""
    async with httpx.AsyncClient(base_url=embedded.url, timeout=30) as http:
        teacher = await sign_up(http, "instructor")
        course = data_of(await http.post("/api/v1/courses", json=COURSE, headers=teacher))["courseId"]
        stored = await http.post(
            "/api/v1/content/upload", data={"courseId": course}, files={"file": ("knot.mp4", video)}, headers=teacher
        )
        learners = [await sign_up(http, "student") for _ in range(LEARNERS)]
        await eventually(lambda: _enroll(http, course, learners[0]))
        below = psutil.Process(embedded.process.pid).children()
        next(child for child in below if child.cmdline()[-1:] == ["work"]).suspend()
        for learner in learners[1:]:
            assert await _enroll(http, course, learner)
    return History(teacher, course, data_of(stored)["videoId"], learners)


async def _enroll(http: httpx.AsyncClient, course: str, learner: dict[str, str]) -> bool | None:
    return (await http.post(f"/api/v1/courses/{course}/enroll", headers=learner)).status_code in {201, 409} or None


# Two installations start in it, and the move runs three times.
@pytest.mark.timeout(600)
async def test_what_was_acknowledged_before_a_power_cut_is_there_after_a_move_that_was_cut_off_too(
    embedded: Installation, there: OtherPlace, tmp_path: Path
) -> None:
    video = VideoShelf(tmp_path).content()
    before = await history(embedded, video)
    refused = move(embedded, there)
    assert (refused.returncode, "is running. Stop it first" in refused.stderr) == (1, True), refused.stderr
    cut_off(embedded.process)

    await cut_off_in_the_middle(embedded, there)
    again = move(embedded, there)
    assert (again.returncode, "Say --replace" in again.stderr) == (1, True), again.stderr
    moved = move(embedded, there, "--replace")
    assert (moved.returncode, "Start the other installation" in moved.stdout) == (0, True), moved.stderr

    with there.running("serve") as server, there.running("relay"), there.running("work"):
        wait_until_ready(there.url, server)
        await everything_arrives(there, before)
        async with httpx.AsyncClient(base_url=there.url, timeout=30) as http:
            path = f"/api/v1/content/{before.video}/stream?format=file"
            assert (await http.get(path, headers=before.teacher, follow_redirects=True)).content == video


async def cut_off_in_the_middle(embedded: Installation, there: OtherPlace) -> None:
    """Killed while one service has its rows already and another has none."""
    database, holder = await there.database("moocflix"), await there.database("moocflix")
    async with holder.transaction():
        await holder.execute("LOCK TABLE users.outbox IN SHARE MODE")
        begun = subprocess.Popen(there.command("move", str(there.file)), env=embedded.environ)

        async def half() -> bool | None:
            assert begun.poll() is None
            return await database.fetchval("SELECT count(*) > 0 FROM courses.outbox") or None

        try:
            await eventually(half)
        finally:
            cut_off(begun)
    await holder.close()
    assert await database.fetchval("SELECT count(*) FROM users.outbox") == 0
    await database.close()


async def everything_arrives(there: OtherPlace, before: History) -> None:
    database = await there.database("moocflix")

    async def known() -> bool | None:
        count = await database.fetchval("SELECT count(*) FROM progress.enrollments_copy WHERE version > 0")
        return count == LEARNERS or None

    await eventually(known)
    waiting = "SELECT count(*) FROM {0}.retries UNION ALL SELECT count(*) FROM {0}.dead_letters"
    for name in ("courses", "enrollments", "progress", "content"):
        assert [row[0] for row in await database.fetch(waiting.format(name))] == [0, 0]
    await database.close()
    async with httpx.AsyncClient(base_url=there.url, timeout=30) as http:
        for learner in before.learners:
            # Their tokens of before count, for the keys have moved.
            mine = data_of(await http.get("/api/enrollments", headers=learner))["enrollments"]
            assert [one["courseId"] for one in mine] == [before.course]
        assert (await _enroll(http, before.course, await sign_up(http, "student"))) is True
