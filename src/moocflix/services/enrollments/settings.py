"""What enrollments alone reads."""

from typing import Annotated, ClassVar

from msgspec import Meta

from moocflix.platform.settings import Section


class EnrollmentsSettings(Section, frozen=True, kw_only=True):
    """Enrolments."""

    section: ClassVar[str] = "enrollments"

    batch: Annotated[
        int, Meta(ge=1, le=10_000, description="How many learners a forced close takes out in one transaction.")
    ] = 500
