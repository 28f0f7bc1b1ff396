"""What the tests of content share: a shelf of real videos."""

import pytest

from tests.factories.videos import VideoShelf


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> VideoShelf:
    return VideoShelf(tmp_path_factory.mktemp("videos"))
