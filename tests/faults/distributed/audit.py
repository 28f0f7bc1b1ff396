"""At the end: whether everything that was acknowledged is there, once, and whether every copy is as its original."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.faults.distributed.databases import Databases
from tests.faults.distributed.world import World

MOST = 5
"""How many differences of one kind are written out."""

Facts = Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class CopyOf:
    """A table of copies: `deleted` is an expression, for those that keep tombstones."""

    entity: str
    service: str
    table: str
    id: str
    deleted: str | None = None


COPIES = (
    CopyOf("users", "enrollments", "users_copy", "user_id"),
    CopyOf("courses", "enrollments", "courses_copy", "course_id", "deleted"),
    CopyOf("courses", "progress", "courses_copy", "course_id", "deleted"),
    CopyOf("courses", "content", "courses_copy", "course_id", "deleted"),
    CopyOf("modules", "progress", "modules_copy", "module_id", "status = 'deleted'"),
    CopyOf("modules", "content", "modules_copy", "module_id", "deleted"),
    CopyOf("lessons", "progress", "lessons_copy", "lesson_id", "status = 'deleted'"),
    CopyOf("lessons", "content", "lessons_copy", "lesson_id", "deleted"),
    CopyOf("enrollments", "courses", "enrollments", "id"),
    CopyOf("enrollments", "progress", "enrollments_copy", "enrollment_id"),
    CopyOf("enrollments", "content", "enrollments_copy", "enrollment_id"),
)
OWNERS = {"users": "users", "courses": "courses", "modules": "courses", "lessons": "courses"}


async def differences(databases: Databases, worlds: Sequence[World]) -> list[str]:
    """What the databases have otherwise than the clients, or than each other."""
    return [
        *await _originals(databases, worlds),
        *await _figures(databases, worlds),
        *await _learning(databases, worlds),
        *await _copies(databases, worlds),
        *await _instructors(databases, worlds),
        *await _completions(databases),
    ]


def compared(what: str, expected: Facts, found: Facts) -> list[str]:
    """Where they differ, the first few of each kind."""
    lost = [f"{what}: {id} {fact} is not there" for id, fact in expected.items() if id not in found]
    more = [f"{what}: {id} {fact} was never acknowledged" for id, fact in found.items() if id not in expected]
    other = [f"{what}: {id} is {found[id]}, not {fact}" for id, fact in expected.items() if found.get(id, fact) != fact]
    return [line for lines in (lost, more, other) for line in _some(lines)]


def _some(lines: Sequence[str]) -> Iterable[str]:
    return [*lines[:MOST], *([f"… and {len(lines) - MOST} more like it"] if len(lines) > MOST else [])]


async def _originals(databases: Databases, worlds: Sequence[World]) -> list[str]:
    users = {one.id: (one.name, one.version) for world in worlds for one in world.people}
    courses = [course for world in worlds for course in world.courses]
    lessons = [lesson for course in courses for _, lesson in course.lessons]
    enrollments = [one for world in worlds for one in world.enrollments]
    expected: dict[str, tuple[str, Facts, str]] = {
        "users": ("users", users, "id, name, version"),
        "courses": (
            "courses",
            {one.id: (one.title, one.published, one.version) for one in courses},
            "id, title, status = 'published', version",
        ),
        "modules": (
            "courses",
            {one.id: (one.title, one.version) for course in courses for one in course.modules},
            "id, title, version",
        ),
        "lessons": (
            "courses",
            {one.id: (one.title, one.published, one.version) for one in lessons},
            "id, title, status = 'published', version",
        ),
        "enrollments": (
            "enrollments",
            {one.id: (one.learner.id, one.course.id, one.active) for one in enrollments},
            "id, user_id::text, course_id::text, status <> 'dropped'",
        ),
        "videos": (
            "content",
            {id: (title, course.id) for course in courses for id, title in course.videos.items()},
            "id, title, course_id::text",
        ),
    }
    return [
        line
        for table, (service, facts, columns) in expected.items()
        for line in compared(table, facts, await databases.table(service, f"SELECT {columns} FROM {service}.{table}"))
    ]


async def _figures(databases: Databases, worlds: Sequence[World]) -> list[str]:
    """What is counted of each course: by requests, and by events that must not count twice."""
    students = Counter(one.course.id for world in worlds for one in world.enrollments if one.active)
    expected = {
        course.id: (
            len(course.modules),
            sum(lesson.published for _, lesson in course.lessons),
            students[course.id],
        )
        for world in worlds
        for course in world.courses
    }
    found = await databases.table(
        "courses", "SELECT course_id, module_count, lesson_count, student_count FROM courses.course_figures"
    )
    return compared("figures", expected, found)


async def _learning(databases: Databases, worlds: Sequence[World]) -> list[str]:
    """Seconds add up: one that was acknowledged and is lost shows, and one that was counted twice."""
    expected = {
        f"{one.id} {lesson}": (round(one.best[lesson] * 100), seconds)
        for world in worlds
        for one in world.enrollments
        for lesson, seconds in one.seconds.items()
    }
    sql = "SELECT enrollment_id || ' ' || lesson_id, progress::integer, time_spent FROM progress.lesson_progress"
    return compared("progress", expected, await databases.table("progress", sql))


async def _copies(databases: Databases, worlds: Sequence[World]) -> list[str]:
    found = []
    for copy in COPIES:
        owner = OWNERS.get(copy.entity, copy.entity)
        versions = await databases.table(owner, f"SELECT id, version FROM {owner}.{copy.entity}")
        expected: dict[str, tuple[Any, ...]] = {id: (version, False) for id, (version,) in versions.items()}
        for world in worlds:
            expected |= {id: (version, True) for id, version in world.buried.get(copy.entity, {}).items()}
        columns = f"{copy.id}, version, {copy.deleted or 'false'}"
        held = await databases.table(copy.service, f"SELECT {columns} FROM {copy.service}.{copy.table}")
        found += compared(f"{copy.service}' copy of {copy.entity}", expected, held)
    return found


async def _instructors(databases: Databases, worlds: Sequence[World]) -> list[str]:
    """Courses keeps those people who teach."""
    teachers = {course.teacher for world in worlds for course in world.courses}
    everybody = {one.id: (one.name, one.version) for world in worlds for one in world.people}
    found = await databases.table("courses", "SELECT id, name, version FROM courses.instructors")
    expected = {id: everybody[id] for id in {*found, *(teacher.id for teacher in teachers)} if id in everybody}
    return compared("courses' copy of users", expected, found)


async def _completions(databases: Databases) -> list[str]:
    """How far each enrolment has come, and when it was completed: enrollments has it from progress."""
    here = await databases.table(
        "enrollments", "SELECT id, progress_version, completed_at FROM enrollments.enrollments"
    )
    there = await databases.table("progress", "SELECT enrollment_id, completed_at FROM progress.course_progress")
    told = await databases.table(
        "progress",
        "SELECT subject, max((data ->> 'version')::integer) FROM progress.outbox "
        "WHERE topic = 'Progress-Updated' GROUP BY subject",
    )
    expected = {id: (told.get(id, (0,))[0], there.get(id, (None,))[0]) for id in here}
    return compared("enrollments' progress", expected, here)
