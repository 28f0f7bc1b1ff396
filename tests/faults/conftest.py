"""One whole installation to break, shared by all tests after which it still runs."""

import shutil
from collections.abc import Iterator

import pytest

from tests.faults.platform_process import Up, free_port, open_folder


@pytest.fixture(scope="session")
def _up() -> Iterator[Up]:
    folder = open_folder()
    platform = Up(folder / "data", port=free_port()).start()
    try:
        yield platform.await_ready()
    finally:
        platform.close()
        shutil.rmtree(folder)


@pytest.fixture
def up(_up: Up) -> Up:
    """A running platform, whatever the test before has left of it."""
    return (_up if _up.runs else _up.start()).await_ready()
