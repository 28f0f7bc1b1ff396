"""What is played, and the refusals that speak of it."""

import re

from moocflix.platform.errors import Conflict, NotFound

# The poster, or a file of one rendition: nothing that could lead anywhere else.
_FILE = re.compile(r"[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64})?\.(m3u8|mp4|m4s|jpg|vtt)")


class NotReady(Conflict):
    """There is nothing to play yet."""

    def __init__(self, status: str) -> None:
        super().__init__(f"The video cannot be streamed yet: it is {status}. Ask again once it is ready.")


class NoSuchFile(NotFound):
    """The video has no such playlist or segment."""

    def __init__(self) -> None:
        super().__init__("The video has no such file.")


def checked_file(path: str) -> str:
    """The path of a file below a set of renditions. Raises NoSuchFile for what is none."""
    file = path.strip("/")
    if _FILE.fullmatch(file) is None:
        raise NoSuchFile
    return file
