"""Identifiers: UUID version 7 (RFC 9562), made in Python. They never order events."""

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A fresh identifier."""
    return uuid_utils.compat.uuid7()
