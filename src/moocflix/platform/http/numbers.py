"""Numbers of request bodies that must not pass through floats: read exactly as they are written."""

from abc import ABC
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

T = TypeVar("T")

_JSON_NAMES = {bool: "bool", str: "str", list: "array", dict: "object", type(None): "null"}


if TYPE_CHECKING:
    Number = Decimal
else:

    class Number(ABC):  # noqa: B024 - a type of its own for the decoder; what it reads is a plain Decimal
        """A Decimal that is written as a JSON number; for a field of the type Decimal a string would do as well."""

    Number.register(Decimal)


def body_decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """What reads a body of this type, its `Number` fields too."""
    return msgspec.json.Decoder(kind, dec_hook=_decode, float_hook=_exact)


def _decode(kind: type, value: Any) -> Any:
    if kind is not Number:
        raise NotImplementedError
    if type(value) not in {int, Decimal}:
        raise ValueError(f"Expected `number`, got `{_JSON_NAMES[type(value)]}`")
    return Decimal(value)


def _exact(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond all numbers
        raise ValueError("Number out of range") from None
