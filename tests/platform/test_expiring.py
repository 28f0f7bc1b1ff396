"""What is remembered for a moment: for how long, and how much of it."""

from moocflix.platform.expiring import ExpiringSet


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
