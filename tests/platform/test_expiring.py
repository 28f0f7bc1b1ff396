"""What is remembered for a moment: for how long, and how much of it."""

import asyncio

import pytest

from moocflix.platform.errors import Unavailable
from moocflix.platform.expiring import ExpiringSet, Remembered


def test_a_thing_counts_for_a_while() -> None:
    lasting, passing = ExpiringSet[str](seconds=60), ExpiringSet[str](seconds=0)
    for memory in (lasting, passing):
        memory.add("a")
    assert "a" in lasting
    assert "b" not in lasting
    assert "a" not in passing


def test_the_oldest_is_forgotten_where_there_are_too_many() -> None:
    memory = ExpiringSet[int](seconds=60)
    for number in range(10_000):
        memory.add(number)
    memory.add(0)
    memory.add(10_000)
    assert 0 in memory
    assert 1 not in memory
    assert 10_000 in memory


class Source:
    """Something that is loaded, and how often it was."""

    def __init__(self) -> None:
        self.loads = 0
        self.may_answer = asyncio.Event()
        self.away = False

    async def load(self) -> int:
        self.loads += 1
        await self.may_answer.wait()
        if self.away:
            raise Unavailable
        return self.loads


async def test_all_who_ask_meanwhile_share_one_load_and_one_failure() -> None:
    source = Source()
    source.away = True
    memory = Remembered(source.load, seconds=60)
    asking = [asyncio.create_task(memory.get()) for _ in range(3)]
    await asyncio.sleep(0)
    source.may_answer.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert ([type(answer) for answer in answers], source.loads) == ([Unavailable] * 3, 1)
    source.away = False
    assert [await memory.get(), await memory.get()] == [2, 2]
    memory.forget()
    assert await memory.get() == 3


async def test_who_goes_away_while_it_is_loaded_takes_it_from_nobody() -> None:
    source = Source()
    memory = Remembered(source.load, seconds=60)
    first, second = asyncio.create_task(memory.get()), asyncio.create_task(memory.get())
    await asyncio.sleep(0)
    first.cancel()
    source.may_answer.set()
    assert await second == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_what_is_remembered_for_no_time_is_loaded_each_time() -> None:
    source = Source()
    source.may_answer.set()
    memory = Remembered(source.load, seconds=0)
    assert [await memory.get(), await memory.get()] == [1, 2]
