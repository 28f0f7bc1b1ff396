"""What a text is like, whoever asks; each service refuses in its own words."""

from unicodedata import category
from urllib.parse import urlsplit


def is_web_address(text: str, *, most: int) -> bool:
    """Whether it is a full http or https address of at most so many characters."""
    try:
        parts = urlsplit(text)
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an unfinished IPv6 address, a port that is none
        return False
    return whole and len(text) <= most and all(c.isprintable() and not c.isspace() for c in text)


def is_visible(text: str) -> bool:
    """Whether anything of it is seen: not spaces, controls and invisible characters alone."""
    return any(category(letter)[0] not in "CZ" for letter in text)
