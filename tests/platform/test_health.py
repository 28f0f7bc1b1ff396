"""What is told of a process, and of several together."""

import asyncio

import pytest

from moocflix.platform import health
from moocflix.platform.errors import Unavailable
from moocflix.platform.health import Healths, Look, Report

READY = Report(ready=True, degraded=[])


def saying(report: Report) -> Look:
    async def look() -> Report:
        return report

    return look


async def hang() -> Report:
    await asyncio.Event().wait()
    raise AssertionError


async def away() -> Report:
    raise Unavailable("The users service is away.")


async def fine() -> None:
    return None


async def broken() -> str:
    return "not to be found"


async def test_one_that_hangs_is_named_and_the_others_are_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_NEIGHBOUR_SECONDS", 0.1)
    late = Report(ready=True, degraded=["events of progress: 2 have waited"])
    neighbours = {"courses": hang, "progress": saying(late), "content": saying(READY), "users": away}
    found = Healths.of(vital={"keys": fine}, others={"storage": broken}, name="enrollments", neighbours=neighbours)
    assert await found.alone.report() == Report(ready=True, degraded=["storage: not to be found"])
    assert await found.hurried.report() == await found.alone.report()
    assert await found.together.report() == Report(
        ready=True,
        degraded=[
            "courses: does not answer",
            "enrollments: storage: not to be found",
            "progress: events of progress: 2 have waited",
            "users: does not answer",
        ],
    )


@pytest.mark.parametrize(("other", "ready"), [(saying(READY), True), (saying(Report(ready=False, degraded=[])), False)])
async def test_the_platform_is_ready_while_anyone_can_serve(other: Look, *, ready: bool) -> None:
    found = Healths.of(vital={"database": broken}, others={}, name="users", neighbours={"courses": other})
    assert not (await found.alone.report()).ready
    assert await found.together.report() == Report(ready=ready, degraded=["users: database: not to be found"])


async def test_a_part_that_hangs_leaves_neighbours_the_time_to_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_HURRIED_SECONDS", 0.05)

    async def hanging() -> None:
        await asyncio.Event().wait()

    found = Healths.of(vital={"keys": fine}, others={"storage": hanging}, name="users", neighbours={})
    async with asyncio.timeout(2):
        assert await found.hurried.report() == Report(ready=True, degraded=["storage: does not answer"])
    assert found.together is found.alone
    assert 2 * health._HURRIED_SECONDS < health._NEIGHBOUR_SECONDS < 3  # noqa: SLF001 - it is about how they fit
