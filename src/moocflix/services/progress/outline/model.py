"""A course's outline, as its owner hands it over."""

from datetime import timedelta

from moocflix.contracts.courses import CourseState, LessonState, ModuleState
from moocflix.platform.events.envelope import State


class Outline(State, frozen=True, kw_only=True):
    """A course with all its modules and lessons, drafts too; `version` is the course's."""

    course: CourseState
    modules: list[ModuleState]
    lessons: list[LessonState]


class PublishedLesson(State, frozen=True, kw_only=True):
    """A lesson with its module, both published; `version` is the lesson's."""

    module: ModuleState
    lesson: LessonState


RECOUNT_COURSE = "recount-course"
"""The job that counts everybody's progress in a course anew."""

FORGET_COURSE = "forget-course"
"""The job that removes everybody's progress in a course that was deleted."""

SETTLING = timedelta(seconds=2)
"""How long after a change of what counts everybody is counted anew.

An instructor's changes come in bursts, and the deletion of a course takes its lessons one by one: only what they leave
behind is counted. Meanwhile every update in flight by the earlier outline has ended.
"""
