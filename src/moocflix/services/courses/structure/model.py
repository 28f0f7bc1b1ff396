"""The structure of a course: its modules and lessons in their order, and how that order is set anew."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec

from moocflix.contracts.courses import LessonType, Status
from moocflix.platform.errors import Invalid


class IncompleteOrder(Invalid):
    """An order must name each module and each lesson of the course exactly once."""

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(f"The order must name each {what} of the course exactly once: {problem}.", field="modules")


class ShownStep(msgspec.Struct, frozen=True):
    """A lesson in the structure, as far as the viewer may see it. Its fields follow each other as in the statement."""

    id: UUID
    title: str
    type: LessonType
    position: int
    status: Status
    version: int
    preview: bool
    duration: int | None
    url: str | None
    content: str | None
    video_id: UUID | None
    assessment_id: UUID | None


class ShownPart(msgspec.Struct, frozen=True):
    """A module in the structure; likewise."""

    id: UUID
    title: str
    position: int
    status: Status
    version: int
    lessons: list[ShownStep] = []


class Structure(msgspec.Struct, frozen=True, kw_only=True):
    """A course's modules and lessons, as far as the viewer may see them."""

    course_id: UUID
    title: str
    version: int
    manages: bool
    """Whether the viewer may change it; they see drafts too."""
    whole: bool
    """Whether the viewer sees every lesson whole, and not the previews alone."""
    asks: bool
    """Whether nothing is known here of the viewer's enrolment, so that enrollments is to be asked."""
    modules: list[ShownPart]


Order = Sequence[tuple[UUID, Sequence[UUID]]]
"""Module ids, each with the ids of its lessons, as they shall follow each other."""


def check_order(order: Order, *, modules: Iterable[UUID], lessons: Iterable[UUID]) -> None:
    """Raises IncompleteOrder unless the order names each of them exactly once."""
    _check("module", (module_id for module_id, _ in order), set(modules))
    _check("lesson", (lesson_id for _, lesson_ids in order for lesson_id in lesson_ids), set(lessons))


def module_positions(order: Order) -> dict[UUID, int]:
    """Where each module goes, from 1."""
    return {module_id: position for position, (module_id, _) in enumerate(order, 1)}


def lesson_places(order: Order) -> dict[UUID, tuple[UUID, int]]:
    """Into which module each lesson goes, and where in it, from 1."""
    return {
        lesson_id: (module_id, position)
        for module_id, lesson_ids in order
        for position, lesson_id in enumerate(lesson_ids, 1)
    }


def _check(what: str, named: Iterable[UUID], there: set[UUID]) -> None:
    seen: set[UUID] = set()
    for one in named:
        if one not in there:
            raise IncompleteOrder(what, f"{one} is not in the course")
        if one in seen:
            raise IncompleteOrder(what, f"{one} is named twice")
        seen.add(one)
    for one in sorted(there - seen):
        raise IncompleteOrder(what, f"{one} is missing")
