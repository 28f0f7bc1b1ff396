"""Any order of updates, some of them at once, and of changes to the course, against a plain model of progress."""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories.platform import TestPlatform, data_of
from tests.progress.conftest import Way, begin

LESSONS = 4


@dataclass
class Model:
    """What progress ought to be."""

    lessons: list[tuple[UUID, UUID]]
    done: dict[UUID, int] = field(default_factory=dict)
    spent: dict[UUID, int] = field(default_factory=dict)
    hidden: set[UUID] = field(default_factory=set)
    completed: bool = False

    @property
    def counting(self) -> list[UUID]:
        return [lesson for _, lesson in self.lessons if lesson not in self.hidden]

    def note(self, lesson: UUID, points: int, seconds: int) -> None:
        self.done[lesson] = max(self.done.get(lesson, 0), points)
        self.spent[lesson] = self.spent.get(lesson, 0) + seconds

    def judge(self) -> None:
        counting = self.counting
        self.completed |= bool(counting) and all(self.done.get(lesson) == 10_000 for lesson in counting)


async def check(way: Way, model: Model) -> None:
    enrollment = await way.enrollment()
    seen = await way.seen()
    # What counts is judged for those who have begun: a change of the course alone completes nobody else.
    if model.done:
        model.judge()
    counting = model.counting
    assert [UUID(lesson["lessonId"]) for lesson in seen["lessons"]] == counting
    assert [round(lesson["progress"] * 10_000) for lesson in seen["lessons"]] == [
        model.done.get(lesson, 0) for lesson in counting
    ]
    assert [lesson["timeSpent"] for lesson in seen["lessons"]] == [model.spent.get(lesson, 0) for lesson in counting]
    assert seen["completedLessons"] == sum(model.done.get(lesson) == 10_000 for lesson in counting)
    if counting:
        assert (seen["completedAt"] is not None) == model.completed
    assert len(await way.told("Course-Completed")) == model.completed
    assert enrollment["status"] == ("completed" if model.completed else "in_progress")
    row = await way.platform.database("progress").reader.fetchrow(
        "SELECT points, completed_lessons, total_lessons FROM course_progress WHERE enrollment_id = $1",
        way.enrollment_id,
    )
    if row is not None:
        done = sum(model.done.get(lesson, 0) for lesson in counting)
        assert (row["points"], row["completed_lessons"], row["total_lessons"]) == (
            done,
            seen["completedLessons"],
            len(counting),
        )


async def update_some(way: Way, model: Model, batch: list[tuple[int, int, int]]) -> None:
    """Some updates at once; what is withdrawn is refused to those who have not begun it."""
    lessons = [model.lessons[index] for index, _, _ in batch]
    closed = model.hidden - model.done.keys()
    answers = await asyncio.gather(
        *(
            way.go(lesson, points / 10_000, spent=spent)
            for lesson, (_, points, spent) in zip(lessons, batch, strict=True)
        )
    )
    for answer, (_, lesson), (_, points, spent) in zip(answers, lessons, batch, strict=True):
        if lesson in closed:
            assert answer.status_code == 400, answer.text
        else:
            data_of(answer)
            model.note(lesson, points, spent)


async def toggle(way: Way, model: Model, index: int) -> None:
    """Withdraw a lesson, or publish it again."""
    module_id, lesson_id = model.lessons[index]
    status = "published" if lesson_id in model.hidden else "draft"
    path = f"/api/v1/courses/{way.course.id}/modules/{module_id}/lessons/{lesson_id}"
    data_of(await way.course.owner.put(path, {"status": status}))
    model.hidden ^= {lesson_id}


INDEX = st.integers(0, LESSONS - 1)
UPDATES = st.lists(
    st.tuples(INDEX, st.sampled_from([0, 2500, 9999, 10_000, 10_000]), st.integers(0, 9)), min_size=1, max_size=4
)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.one_of(UPDATES, UPDATES, INDEX), min_size=1, max_size=6))
async def test_progress_is_what_a_plain_model_says(
    running_platform: TestPlatform, steps: list[int | list[tuple[int, int, int]]]
) -> None:
    course = await running_platform.course(modules=2, lessons=LESSONS // 2)
    way = await begin(running_platform, course)
    model = Model(course.all_lessons)
    for step in steps:
        if isinstance(step, int):
            await toggle(way, model, step)
        else:
            await update_some(way, model, step)
        await check(way, model)
    updates = await way.told("Progress-Updated")
    for lesson in {event["lessonId"] for event in updates}:
        fractions = [event["lessonProgress"] for event in updates if event["lessonId"] == lesson]
        assert fractions == sorted(fractions)
    versions = [event["version"] for event in updates]
    assert versions == sorted(set(versions))
