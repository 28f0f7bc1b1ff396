"""Hashing passwords: strong, one computation each, never on the event loop, never without end."""

import asyncio
from collections.abc import Iterator

import argon2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from moocflix.platform.auth.passwords import PasswordHasher, PasswordsBusy


@pytest.fixture
def hasher() -> Iterator[PasswordHasher]:
    hasher = PasswordHasher(memory_kib=64, passes=1, threads=2, queue=4)
    yield hasher
    hasher.close()


async def test_the_right_password_is_right_and_any_other_wrong(hasher: PasswordHasher) -> None:
    kept = await hasher.hash("correct horse")
    assert await hasher.verify("correct horse", against=kept) == (True, None)
    assert not (await hasher.verify("correct hors", against=kept)).good


async def test_two_hashes_of_one_password_differ(hasher: PasswordHasher) -> None:
    assert await hasher.hash("correct horse") != await hasher.hash("correct horse")


async def test_nobody_takes_one_computation_like_everybody(hasher: PasswordHasher) -> None:
    kept = await hasher.hash("correct horse")
    before = hasher.computations
    assert not (await hasher.verify("wrong", against=kept)).good
    assert hasher.computations - before == 1
    assert not (await hasher.verify("wrong", against=None)).good
    assert hasher.computations - before == 2


async def test_a_hash_of_weaker_parameters_is_made_anew(hasher: PasswordHasher) -> None:
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse")
    verdict = await hasher.verify("correct horse", against=weak)
    assert verdict.good
    assert verdict.rehashed is not None
    assert await hasher.verify("correct horse", against=verdict.rehashed) == (True, None)


async def test_what_is_no_hash_fits_no_password(hasher: PasswordHasher) -> None:
    assert not (await hasher.verify("correct horse", against="nonsense")).good


async def test_beyond_its_queue_it_is_busy_and_recovers(hasher: PasswordHasher) -> None:
    outcomes = await asyncio.gather(*(hasher.hash("correct horse") for _ in range(20)), return_exceptions=True)
    busy = [outcome for outcome in outcomes if isinstance(outcome, PasswordsBusy)]
    assert len(busy) == 14
    assert busy[0].headers()["retry-after"] == "3"
    assert (await hasher.hash("correct horse")).startswith("$argon2id$")


async def test_who_goes_away_leaves_their_place_in_the_queue(hasher: PasswordHasher) -> None:
    for _ in range(30):
        task = asyncio.create_task(hasher.hash("correct horse"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await hasher.hash("correct horse")


async def test_the_event_loop_goes_on_meanwhile() -> None:
    hasher = PasswordHasher(memory_kib=19_456, passes=2, threads=1)
    hashing = asyncio.create_task(hasher.hash("correct horse"))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1
    hasher.close()
    assert turns > 10


@settings(max_examples=20)
@given(some.text(min_size=1, max_size=50))
async def test_the_same_text_is_the_same_password_however_it_was_typed(text: str) -> None:
    hasher = PasswordHasher(memory_kib=8, passes=1, threads=1)
    assert (await hasher.verify(text, against=await hasher.hash(text))).good
    hasher.close()


async def test_an_accent_counts_once_however_the_keyboard_makes_it(hasher: PasswordHasher) -> None:
    assert (await hasher.verify("caf\u00e9-caf\u00e9", against=await hasher.hash("cafe\u0301-cafe\u0301"))).good
