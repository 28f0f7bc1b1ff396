"""What the courses service alone reads."""

from typing import Annotated, ClassVar

from msgspec import Meta

from moocflix.platform.settings import Section


class CoursesSettings(Section, frozen=True, kw_only=True):
    """How large a course may grow, and for how long an answer of another service counts."""

    section: ClassVar[str] = "courses"

    most_modules: Annotated[int, Meta(ge=1, le=10_000, description="Most modules of one course.")] = 200
    most_lessons: Annotated[int, Meta(ge=1, le=100_000, description="Most lessons of one course.")] = 1000
    stranger_seconds: Annotated[
        float, Meta(ge=0, description="For how long somebody counts as not enrolled after enrollments has said so.")
    ] = 5
