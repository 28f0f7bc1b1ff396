"""The limiter of one process alone."""

import pytest

from moocflix.platform.cache.limiter import Limiter, MemoryLimiter
from tests.platform.limiter_suite import LimiterSuite


class TestMemory(LimiterSuite):
    @pytest.fixture
    def limiter(self) -> Limiter:
        return MemoryLimiter()

    async def test_it_remembers_no_more_keys_than_it_may(self) -> None:
        limiter = MemoryLimiter(keys=10)
        for number in range(25):
            await limiter.hit(f"api:{number}", limit=1, window=60)
        # The newest are still counted, though they came in a flood of others.
        assert not (await limiter.hit("api:24", limit=1, window=60)).allowed
        assert (await limiter.hit("api:0", limit=1, window=60)).allowed
