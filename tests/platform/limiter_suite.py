"""What the port of rate limits promises; each implementation runs these."""

import asyncio
from uuid import uuid4

from moocflix.platform.cache.limiter import Limiter


class LimiterSuite:
    """Every test takes `limiter`, the fixture of a subclass."""

    async def test_so_many_pass_and_the_next_waits(self, limiter: Limiter) -> None:
        key = f"api:{uuid4()}"
        verdicts = [await limiter.hit(key, limit=5, window=60) for _ in range(6)]
        assert [verdict.allowed for verdict in verdicts] == [True] * 5 + [False]
        assert [verdict.remaining for verdict in verdicts] == [4, 3, 2, 1, 0, 0]
        assert 11 < verdicts[-1].retry_after <= 12
        assert 59 < verdicts[-1].reset <= 60

    async def test_keys_are_counted_apart(self, limiter: Limiter) -> None:
        first, second = f"api:{uuid4()}", f"auth:{uuid4()}"
        assert (await limiter.hit(first, limit=1, window=60)).allowed
        assert (await limiter.hit(second, limit=1, window=60)).allowed
        assert not (await limiter.hit(first, limit=1, window=60)).allowed

    async def test_the_allowance_comes_back_evenly(self, limiter: Limiter) -> None:
        key = f"api:{uuid4()}"
        for _ in range(4):
            assert (await limiter.hit(key, limit=4, window=0.8)).allowed
        refused = await limiter.hit(key, limit=4, window=0.8)
        await asyncio.sleep(refused.retry_after + 0.01)
        assert (await limiter.hit(key, limit=4, window=0.8)).allowed
        assert not (await limiter.hit(key, limit=4, window=0.8)).allowed

    async def test_a_refused_request_costs_nothing(self, limiter: Limiter) -> None:
        key = f"api:{uuid4()}"
        await limiter.hit(key, limit=1, window=60)
        waits = [(await limiter.hit(key, limit=1, window=60)).retry_after for _ in range(5)]
        assert waits == sorted(waits, reverse=True)
        assert waits[0] <= 60

    async def test_after_the_window_all_of_it_is_there(self, limiter: Limiter) -> None:
        key = f"api:{uuid4()}"
        for _ in range(3):
            await limiter.hit(key, limit=3, window=0.2)
        await asyncio.sleep(0.25)
        assert (await limiter.hit(key, limit=3, window=0.2)).remaining == 2

    async def test_a_crowd_gets_no_more_than_its_share(self, limiter: Limiter) -> None:
        key = f"api:{uuid4()}"
        verdicts = await asyncio.gather(*(limiter.hit(key, limit=20, window=60) for _ in range(100)))
        assert sum(verdict.allowed for verdict in verdicts) == 20
