"""What the tests of security share: a stage with people and things, made once for each file."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.factories.platform import TestPlatform
from tests.factories.videos import VideoShelf
from tests.security.ledger import Ledger
from tests.security.stage import Stage, set_up


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> VideoShelf:
    return VideoShelf(tmp_path_factory.mktemp("videos"))


@pytest.fixture(scope="module")
async def stage(running_platform: TestPlatform, videos: VideoShelf) -> Stage:
    """People and things; the tests of a file have them in common and bring back what they change."""
    await running_platform.empty()
    await running_platform.context("content").storage.delete_prefix("videos/")
    return await set_up(running_platform, videos)


@pytest.fixture(scope="module")
async def ledger(stage: Stage) -> AsyncIterator[Ledger]:
    """What all services have stored; whatever a test changes is undone."""
    ledger = await Ledger.open(stage.platform)
    yield ledger
    await ledger.close()


@pytest.fixture(scope="module")
async def internal(running_platform: TestPlatform) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the listener that serves other services."""
    transport = httpx.ASGITransport(running_platform.runtime.internal)
    async with httpx.AsyncClient(transport=transport, base_url="http://internal") as client:
        yield client
