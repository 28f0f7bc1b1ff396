"""An embedded installation that was cut off moves to a distributed one, here or elsewhere, as its users do it."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import psutil
import pytest

from moocflix.entrypoints import environment_file
from tests.distributed.conftest import Spread, distributed
from tests.distributed.other_place import BARE, OtherPlace, other_place
from tests.distributed.test_neighbours import COURSE
from tests.factories.videos import VideoShelf
from tests.faults.distributed.databases import connected
from tests.faults.distributed.topics import TOPICS, read_all
from tests.journeys.conftest import Installation, eventually, free_port, wait_until_ready
from tests.journeys.test_first_course import PASSWORD, data_of, sign_up

LEARNERS = 12
SECONDS = 8


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


def move(embedded: Installation, target: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "moocflix", "move", str(target), *options]
    return subprocess.run(command, env=embedded.environ, capture_output=True, text=True, timeout=180, check=False)


def begin_to_move(embedded: Installation, target: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "moocflix", "move", str(target)], env=embedded.environ)


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
        await learn(http, course, teacher, learners[0])
        below = psutil.Process(embedded.process.pid).children()
        next(child for child in below if child.cmdline()[-1:] == ["work"]).suspend()
        for learner in learners[1:]:
            assert await _enroll(http, course, learner)
    return History(teacher, course, data_of(stored)["videoId"], learners)


async def learn(http: httpx.AsyncClient, course: str, teacher: dict[str, str], learner: dict[str, str]) -> None:
    """The learner reads the course's one lesson."""
    path = f"/api/v1/courses/{course}/modules"
    module = {"title": "Rope", "status": "published"}
    module_id = data_of(await http.post(path, json=module, headers=teacher))["moduleId"]
    lesson = {"title": "Bights", "type": "ARTICLE", "content": "A rope that is bent.", "status": "published"}
    lesson_id = data_of(await http.post(f"{path}/{module_id}/lessons", json=lesson, headers=teacher))["lessonId"]
    (mine,) = data_of(await http.get("/api/enrollments", headers=learner))["enrollments"]
    update = {"enrollmentId": mine["enrollmentId"], "moduleId": module_id, "lessonId": lesson_id}
    update |= {"progress": 1, "timeSpent": SECONDS}

    async def told() -> bool | None:
        return (await http.post("/api/progress/update", json=update, headers=learner)).status_code == 200 or None

    await eventually(told)


async def _enroll(http: httpx.AsyncClient, course: str, learner: dict[str, str]) -> bool | None:
    return (await http.post(f"/api/v1/courses/{course}/enroll", headers=learner)).status_code in {201, 409} or None


# Two installations start in it, and the move runs three times.
@pytest.mark.timeout(600)
async def test_what_was_acknowledged_before_a_power_cut_is_there_after_a_move_that_was_cut_off_too(
    embedded: Installation, there: OtherPlace, tmp_path: Path
) -> None:
    video = VideoShelf(tmp_path).content()
    before = await history(embedded, video)
    refused = move(embedded, there.file)
    assert (refused.returncode, "is running. Stop it first" in refused.stderr) == (1, True), refused.stderr
    cut_off(embedded.process)

    database = await there.database("moocflix")
    async with locked(await there.database("moocflix")):
        begun = begin_to_move(embedded, there.file)
        await cut_off_in_the_middle(begun, database)
    assert await database.fetchval("SELECT count(*) FROM users.outbox") == 0
    await database.close()
    again = move(embedded, there.file)
    assert (again.returncode, "Say --replace" in again.stderr) == (1, True), again.stderr
    moved = move(embedded, there.file, "--replace")
    assert (moved.returncode, "Start the other installation" in moved.stdout) == (0, True), moved.stderr

    with there.running("serve") as server, there.running("relay"), there.running("work"):
        wait_until_ready(there.url, server)
        await everything_arrives(there.url, lambda _service: there.database("moocflix"), before)
        async with httpx.AsyncClient(base_url=there.url, timeout=30) as http:
            path = f"/api/v1/content/{before.video}/stream?format=file"
            assert (await http.get(path, headers=before.teacher, follow_redirects=True)).content == video


@asynccontextmanager
async def locked(holder: "asyncpg.Connection[Any]") -> AsyncIterator[None]:
    """As long as this lasts nobody writes rows of users, which come last."""
    try:
        await holder.execute("BEGIN")
        await holder.execute("LOCK TABLE users.outbox IN SHARE MODE")
        yield
    finally:
        # Its server may be gone.
        holder.terminate()


async def cut_off_in_the_middle(begun: subprocess.Popen[bytes], database: "asyncpg.Connection[Any]") -> None:
    """Killed while one service has its rows already and another has none."""

    async def half() -> bool | None:
        assert begun.poll() is None
        return await database.fetchval("SELECT count(*) > 0 FROM courses.outbox") or None

    try:
        await eventually(half)
    finally:
        cut_off(begun)


async def everything_arrives(
    url: str, database: Callable[[str], Awaitable["asyncpg.Connection[Any]"]], before: History
) -> None:
    """`database` opens that of a service."""
    progress = await database("progress")

    async def known() -> bool | None:
        count = await progress.fetchval("SELECT count(*) FROM progress.enrollments_copy WHERE version > 0")
        return count == LEARNERS or None

    await eventually(known)
    assert await progress.fetchval("SELECT sum(time_spent) FROM progress.lesson_progress") == SECONDS
    await progress.close()
    waiting = "SELECT count(*) FROM {0}.retries UNION ALL SELECT count(*) FROM {0}.dead_letters"
    for name in ("courses", "enrollments", "progress", "content"):
        connection = await database(name)
        assert [row[0] for row in await connection.fetch(waiting.format(name))] == [0, 0]
        await connection.close()
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        for learner in before.learners:
            # Their tokens of before count, for the keys have moved.
            mine = data_of(await http.get("/api/enrollments", headers=learner))["enrollments"]
            assert [one["courseId"] for one in mine] == [before.course]
        assert (await _enroll(http, before.course, await sign_up(http, "student"))) is True


# Two installations start in it, and the move runs three times.
@pytest.mark.timeout(900)
async def test_make_distributed_goes_on_in_the_folder_into_which_the_data_of_make_run_have_moved(
    embedded: Installation, folder: Path, tmp_path: Path
) -> None:
    video = VideoShelf(tmp_path).content()
    before = await history(embedded, video)
    people = [before.teacher, *before.learners[:2]]
    emails = [await email_of(embedded.url, person) for person in people]
    cut_off(embedded.process)

    place = folder / "distributed"
    place.mkdir()
    environ = embedded.environ | {"MOOCFLIX_DATA": str(place)}
    await cut_off_on_the_way(begin_to_move(embedded, place), place)
    start = [sys.executable, "-m", "moocflix", "distributed"]
    refused = subprocess.run(start, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (refused.returncode, "has not come to its end. Begin it again" in refused.stderr) == (1, True)
    moved = move(embedded, place)
    assert (moved.returncode, "Start the other installation" in moved.stdout) == (0, True), moved.stderr

    with distributed(environ, folder / "log") as spread:
        await everything_is_told_once(spread)
        for target, said in (
            (place, "already runs"),
            (place / "run" / environment_file.NAME, "is running. Stop it first"),
        ):
            again = move(embedded, target)
            assert (again.returncode, said in again.stderr) == (1, True), again.stderr
        await everything_arrives(spread.url, lambda service: asyncpg.connect(spread.state["postgres"][service]), before)
        async with httpx.AsyncClient(base_url=spread.url, timeout=30) as http:
            for email in emails:
                login = {"email": email, "password": PASSWORD}
                assert data_of(await http.post("/api/v1/users/login", json=login))["token"]
            path = f"/api/v1/content/{before.video}/stream?format=file"
            assert (await http.get(path, headers=before.teacher, follow_redirects=True)).content == video
    again = move(embedded, place, "--replace")
    assert (again.returncode, "Name an empty folder" in again.stderr) == (1, True), again.stderr


async def email_of(url: str, person: dict[str, str]) -> str:
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        return str(data_of(await http.get("/api/v1/users/profile", headers=person))["email"])


async def cut_off_on_the_way(begun: "subprocess.Popen[bytes]", place: Path) -> None:
    told = place / "run" / environment_file.NAME

    async def prepared() -> dict[str, str] | None:
        return environment_file.read(told) if told.exists() else None

    try:
        url = urlsplit((await eventually(prepared))["MOOCFLIX_DATABASE_URL"])
        # It starts the other PostgreSQL before it copies anything.
        psutil.Process(begun.pid).suspend()
        users = await asyncpg.connect(urlunsplit(url._replace(path="/moocflix_users")))
        courses = await asyncpg.connect(urlunsplit(url._replace(path="/moocflix_courses")))
        async with locked(users):
            psutil.Process(begun.pid).resume()
            await cut_off_in_the_middle(begun, courses)
            courses.terminate()
    finally:
        cut_off(begun)


async def everything_is_told_once(spread: Spread) -> None:
    """Every event lies in Kafka, once, and every group has taken it in, once."""
    async with connected(spread.state["postgres"]) as databases:
        assert await databases.quiet() == []
        figures = await databases.rows("courses", "SELECT student_count FROM courses.course_figures")
        assert [row["student_count"] for row in figures] == [LEARNERS]
        said = Counter[str]()
        for topic in TOPICS:
            sql = f"SELECT id::text FROM {topic.source}.outbox WHERE topic = $1"
            said.update(row["id"] for row in await databases.rows(topic.source, sql, topic.name))
    assert len(said) > LEARNERS

    async def all_there() -> Counter[str] | None:
        lying = await asyncio.to_thread(read_all, spread.state["kafka"]["bootstrapServers"])
        ids = Counter(event.id for topic in TOPICS for event in lying[topic.name])
        return ids if ids.keys() >= said.keys() else None

    assert await eventually(all_there) == said
