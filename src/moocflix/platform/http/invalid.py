"""What the framework says of bad parameters, in the words of the envelope."""

from litestar.exceptions import ValidationException

from moocflix.platform.errors import Detail, Invalid


def invalid_parameters(error: ValidationException) -> Invalid:
    """The refusal that names each bad parameter as the caller wrote it."""
    faults = error.extra if isinstance(error.extra, list) else []
    details = tuple(
        Detail(field=_camel(str(fault.get("key", "query"))), message=f"{fault.get('message', 'is invalid')}.")
        for fault in faults
        if isinstance(fault, dict)
    )
    if not details:
        # The framework says the rest in its own words, the request's address included.
        detail = str(error.detail).partition(" for ")[0]
        return Invalid(f"The request cannot be read: {detail}.")
    return Invalid("; ".join(f"{detail.field}: {detail.message}" for detail in details), details=details)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
