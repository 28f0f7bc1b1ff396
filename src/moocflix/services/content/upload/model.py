"""An upload, and the refusals that speak of one."""

from uuid import UUID

import msgspec

from moocflix.platform.errors import Conflict, TooMany
from moocflix.services.content.media.findings import Probe


class UploadLost(Conflict):
    """The upload stood still for so long that it was given up."""

    def __init__(self) -> None:
        super().__init__("The upload took too long and was given up; send the file again.")


class TooManyUploads(TooMany):
    """The person has as many uploads under way as one may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"At most {limit} of your uploads go on at once: let one end first.", retry_after=30)


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A whole upload: stored, and found to be a video."""

    id: UUID
    course_id: UUID
    user_id: UUID
    source_key: str
    source_bytes: int
    probe: Probe
