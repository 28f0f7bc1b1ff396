"""The time. Operations get it passed in; only edges ask here, so that a test can turn it."""

from datetime import UTC, datetime, timedelta

_ZERO = timedelta()
_turned = _ZERO


def utc_now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC) + _turned


def turn(by: timedelta) -> None:
    """Turn the clock of this process by so much, on top of earlier turns."""
    global _turned  # noqa: PLW0603 - the one clock of the process
    _turned += by


def reset() -> None:
    """Set the clock back to the real time."""
    global _turned  # noqa: PLW0603 - the one clock of the process
    _turned = _ZERO
