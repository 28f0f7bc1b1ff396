"""What progress alone reads."""

from typing import Annotated, ClassVar

from msgspec import Meta

from moocflix.platform.settings import Section


class ProgressSettings(Section, frozen=True, kw_only=True):
    """Progress."""

    section: ClassVar[str] = "progress"

    batch: Annotated[
        int, Meta(ge=1, le=10_000, description="How many learners are counted anew in one transaction.")
    ] = 200
