"""What the courses service alone reads."""

from typing import Annotated, ClassVar

from msgspec import Meta

from moocflix.platform.settings import Section

MAX_MODULES = 10_000
MAX_LESSONS = 100_000
"""How far the limits of a course can be set; an order names no more than that."""


class CoursesSettings(Section, frozen=True, kw_only=True):
    """How large a course may grow, and for how long an answer of another service counts."""

    section: ClassVar[str] = "courses"

    most_modules: Annotated[int, Meta(ge=1, le=MAX_MODULES, description="Most modules of one course.")] = 200
    most_lessons: Annotated[int, Meta(ge=1, le=MAX_LESSONS, description="Most lessons of one course.")] = 1000
    most_content_bytes: Annotated[
        int, Meta(ge=1, description="Most bytes of the contents of one course's lessons together.")
    ] = 5_000_000
    stranger_seconds: Annotated[
        float, Meta(ge=0, description="For how long somebody counts as not enrolled after enrollments has said so.")
    ] = 5
