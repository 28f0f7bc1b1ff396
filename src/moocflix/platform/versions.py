"""Versions of entities: an `ETag` names one, `If-Match` those that the caller would write over."""

import re

from moocflix.platform.errors import Invalid, Stale

IfMatch = frozenset[int] | None
"""Versions of which the present one must be one; None: whichever it is."""

_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_OURS = re.compile(r'"(0|[1-9][0-9]{0,17})"')


def read_if_match(value: str | None) -> IfMatch:
    """What an `If-Match` asks for (RFC 9110, section 13.1.1); tags not ours match nothing. Raises Invalid."""
    if value is None or value.strip() == "*":
        return None
    # Commas may stand within a tag, and elements of the list may be empty.
    around = {element.strip(" \t") for element in _ENTITY_TAG.sub('""', value).split(",")}
    if '""' not in around or not around <= {'""', ""}:
        raise Invalid("If-Match takes `*` or the ETag of the last read.", field="If-Match")
    return frozenset(int(ours[1]) for tag in _ENTITY_TAG.findall(value) if (ours := _OURS.fullmatch(tag)))


def check_version(version: int, if_match: IfMatch) -> None:
    """Raises Stale where the caller has read another version."""
    if if_match is not None and version not in if_match:
        raise Stale
