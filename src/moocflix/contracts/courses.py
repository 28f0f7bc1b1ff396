"""What the courses service tells others."""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from moocflix.platform.entity import Entity
from moocflix.platform.events.envelope import Page, Payload, State, Topic

Difficulty = Literal["Beginner", "Intermediate", "Advanced"]
Status = Literal["draft", "published"]
LessonType = Literal["VIDEO", "PDF", "QUIZ", "ARTICLE", "LIVE_SESSION", "CODE_SANDBOX"]


class CourseState(State, frozen=True, kw_only=True):
    """A course's metadata. `price` is in the currency's main unit, with at most two decimals."""

    course_id: UUID
    instructor_id: UUID
    title: str
    description: str
    category: str
    difficulty: Difficulty
    price: Decimal
    currency: str
    cover_image_url: str | None
    tags: list[str]
    language: str
    status: Status
    created_at: datetime
    updated_at: datetime


class CourseDeleted(State, frozen=True, kw_only=True):
    """The tombstone of a course, of its modules and of their lessons."""

    course_id: UUID
    instructor_id: UUID
    title: str


class ModuleState(State, frozen=True, kw_only=True):
    """A module; `order` counts from 1 within its course."""

    module_id: UUID
    course_id: UUID
    title: str
    order: int
    status: Status


class ModuleDeleted(State, frozen=True, kw_only=True):
    """The tombstone of a module."""

    module_id: UUID
    course_id: UUID


class LessonState(State, frozen=True, kw_only=True):
    """A lesson without what only the enrolled may see (url, content); `duration` in seconds."""

    lesson_id: UUID
    module_id: UUID
    course_id: UUID
    title: str
    type: LessonType
    order: int
    status: Status
    preview: bool
    video_id: UUID | None
    assessment_id: UUID | None
    duration: int | None


class LessonDeleted(State, frozen=True, kw_only=True):
    """The tombstone of a lesson."""

    lesson_id: UUID
    module_id: UUID
    course_id: UUID


class CoursePage(Page, frozen=True, kw_only=True):
    """`GET /internal/courses`: courses by id, drafts too, for the filling of copies."""

    courses: list[CourseState]


class ModulePage(Page, frozen=True, kw_only=True):
    """`GET /internal/modules`: modules of all courses by id."""

    modules: list[ModuleState]


class LessonPage(Page, frozen=True, kw_only=True):
    """`GET /internal/lessons`: lessons of all courses by id."""

    lessons: list[LessonState]


class CourseOutline(Payload, frozen=True, kw_only=True):
    """`GET /internal/courses/{id}/outline`: one course with its modules and lessons, drafts too."""

    course: CourseState
    modules: list[ModuleState]
    lessons: list[LessonState]


COURSE = Entity(
    owner="courses", path="/internal/courses", state=CourseState, page=CoursePage, listed=lambda page: page.courses
)
MODULE = Entity(
    owner="courses", path="/internal/modules", state=ModuleState, page=ModulePage, listed=lambda page: page.modules
)
LESSON = Entity(
    owner="courses", path="/internal/lessons", state=LessonState, page=LessonPage, listed=lambda page: page.lessons
)

COURSE_CREATION = Topic("Course-Creation", "courses", CourseState, key="course_id", aliases=("course_created",))
COURSE_UPDATE = Topic(
    "Course-Update", "courses", CourseState, key="course_id", aliases=("Course-Updated", "course_updated")
)
COURSE_DELETION = Topic("Course-Deletion", "courses", CourseDeleted, key="course_id", aliases=("Course-Deleted",))
MODULE_CREATION = Topic("Module-Creation", "courses", ModuleState, key="course_id", subject="module_id")
MODULE_UPDATED = Topic("Module-Updated", "courses", ModuleState, key="course_id", subject="module_id")
MODULE_DELETED = Topic("Module-Deleted", "courses", ModuleDeleted, key="course_id", subject="module_id")
LESSON_CREATION = Topic("Lesson-Creation", "courses", LessonState, key="course_id", subject="lesson_id")
LESSON_UPDATED = Topic("Lesson-Updated", "courses", LessonState, key="course_id", subject="lesson_id")
LESSON_DELETED = Topic("Lesson-Deleted", "courses", LessonDeleted, key="course_id", subject="lesson_id")

TOPICS = (
    COURSE_CREATION,
    COURSE_UPDATE,
    COURSE_DELETION,
    MODULE_CREATION,
    MODULE_UPDATED,
    MODULE_DELETED,
    LESSON_CREATION,
    LESSON_UPDATED,
    LESSON_DELETED,
)
