"""An instructor, as the users service lets others know them."""

from uuid import UUID

from moocflix.platform.errors import CopyMissing


class InstructorUnknown(CopyMissing):
    """A course is made by somebody of whom no event has come yet."""

    def __init__(self, instructor_id: UUID) -> None:
        super().__init__("user", instructor_id)
