"""Whatever is cut or slowed: nothing acknowledged is lost, what needs no broken link goes on, and nobody is restarted.

Every part is on a host of its own. `make faults NETWORK_COMMANDS=… SEED=…` runs it at another length, or again.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.distributed.apart import NAMES, PARTS, Apart
from tests.factories.videos import VideoShelf
from tests.faults.distributed.links import Happened, break_all, plan
from tests.faults.distributed.pace import Pace
from tests.faults.distributed.run import Run
from tests.faults.distributed.watch import Watch
from tests.faults.network import Network
from tests.journeys.conftest import eventually

COMMANDS = int(os.environ.get("NETWORK_COMMANDS") or 600)
SEED = os.environ.get("SEED") or "1"

pytestmark = pytest.mark.timeout(0)


@pytest.fixture(scope="module")
def apart() -> Iterator[Apart]:
    folder = Path(tempfile.mkdtemp(prefix="moocflix-apart-"))
    folder.chmod(0o755)
    with Network(PARTS) as network:
        platform = Apart(network, folder)
        try:
            yield platform.start()
        finally:
            platform.stop()
            shutil.rmtree(folder, ignore_errors=True)


_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE client_addr = $1::text::inet"


async def healthy(apart: Apart) -> bool | None:
    """Whether every service is ready, and finds nothing wrong."""
    async with httpx.AsyncClient(timeout=10) as http:
        found = [(await http.get(f"{apart.url_of(name)}/health/ready")).json() for name in NAMES]
    return all(health == {"status": "ready", "degraded": []} for health in found) or None


async def test_broken_links_lose_nothing_and_stop_nobody_who_does_not_need_them(
    apart: Apart, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run, breaks = Run(SEED, COMMANDS, VideoShelf(tmp_path).content()), plan(seed=SEED, commands=COMMANDS)
    watch = Watch(apart.url, run.worlds)
    happened: list[Happened] = []

    async def hurt(pace: Pace) -> None:
        async with watch.kept():
            happened.extend(await break_all(breaks, apart.network, pace))
            ended = time.monotonic()
            await eventually(lambda: healthy(apart), seconds=30)
            run.hurt = f"{len(breaks)} broken links, all well {time.monotonic() - ended:.1f} s after the last"

    await run.go(apart, hurt)
    with capfd.disabled():
        sys.stdout.write(f"\n{run.summary()}\n")
    wrong = [*run.differences, *watch.complaints(happened), *(f"{name} has ended" for name in apart.ended())]
    assert not wrong, "\n".join([run.summary(), *wrong, *(str(each.what) for each in happened)])
    assert sum(run.ledger.acknowledged.values()) == COMMANDS


async def test_nobody_waits_for_an_answer_that_cannot_come(apart: Apart) -> None:
    looking = await asyncpg.connect(apart.databases["courses"])
    async with httpx.AsyncClient(base_url=apart.url_of("courses"), timeout=60) as http:

        async def there() -> bool | None:
            return (await http.get("/api/v1/courses", params={"q": "after"})).status_code == 200 or None

        async def let_go() -> bool | None:
            return await looking.fetchval(_SESSIONS, apart.network.address("courses")) == 0 or None

        assert (await http.get("/api/v1/courses", params={"q": "before"})).status_code == 200
        with apart.network.cut("courses", "postgres"):
            refused = await http.get("/api/v1/courses", params={"q": "during"})
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1
            # The server, too, must not keep what somebody held who is out of reach.
            await eventually(let_go, seconds=30)
        await eventually(there, seconds=30)
    await looking.close()
