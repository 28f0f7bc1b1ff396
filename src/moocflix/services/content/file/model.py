"""The refusals that speak of signed URLs."""

from moocflix.platform.errors import Forbidden


class UrlRefused(Forbidden):
    """The URL was not signed by us for this, or counts no longer."""

    def __init__(self) -> None:
        super().__init__("This address was not signed for this, or has expired.")
