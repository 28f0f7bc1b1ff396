"""Which faults of a command are a sentence for the person who ran it, and not a bug."""

from moocflix.platform.errors import OperatorError, Refusal


def sentence(error: Exception) -> str | None:
    """What to tell the person; None for a bug."""
    return str(error) if isinstance(error, OperatorError | Refusal) else None
