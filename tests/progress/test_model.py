"""The arithmetic of progress."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from moocflix.platform.ids import new_id
from moocflix.services.progress.progress.model import CourseProgress, Lesson, fraction_of, percent_of

POINTS = st.integers(min_value=0, max_value=10_000)


def lesson(percent: Decimal) -> Lesson:
    return Lesson(
        lesson_id=new_id(),
        module_id=new_id(),
        title="",
        id=None,
        progress=percent,
        time_spent=0,
        last_accessed=None,
    )


@given(st.floats(min_value=0, max_value=1))
def test_a_percentage_is_whole_only_where_the_fraction_was(fraction: float) -> None:
    percent = percent_of(fraction)
    assert Decimal(0) <= percent <= Decimal(100)
    assert (percent == Decimal(100)) == (fraction == 1.0)
    assert abs(fraction_of(percent) - fraction) < 0.0001


@given(POINTS)
def test_a_fraction_of_four_digits_comes_back_as_it_was(points: int) -> None:
    assert fraction_of(percent_of(points / 10_000)) == points / 10_000


@given(st.lists(POINTS.map(lambda points: Decimal(points) / 100), max_size=40))
def test_a_courses_progress_is_whole_only_when_every_lesson_is(percents: list[Decimal]) -> None:
    course = CourseProgress(
        enrollment_id=new_id(), course_id=new_id(), completed_at=None, lessons=[lesson(p) for p in percents]
    )
    whole = bool(percents) and course.completed_lessons == len(percents)
    assert (course.progress == Decimal(100)) == whole
