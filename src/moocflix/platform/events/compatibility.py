"""Whether events still fit those who read the last release's: two AsyncAPI descriptions, compared.

It cuts both ways. A consumer of the last release reads what this code writes: nothing that it counts on may go, and
nothing may come that its types refuse. This code reads what the last release wrote, for events wait in outboxes and
brokers, and groups are rewound: nothing new may be required. So only additions that nobody has to know of pass: a
topic, an alias, a field with a default.
"""

from collections.abc import Callable, Iterator
from typing import Any

_MEANINGLESS = ("title", "description", "default", "examples")

_Schema = dict[str, Any]
_Find = Callable[[_Schema], _Schema]


def breaks(released: dict[str, Any], current: dict[str, Any]) -> list[str]:
    """A sentence for each change that would break somebody; none where all is well."""
    return [
        sentence
        for name, channel in released["channels"].items()
        for sentence in _channel_breaks(name, channel, released, current)
    ]


def _channel_breaks(name: str, channel: _Schema, released: _Schema, current: _Schema) -> Iterator[str]:
    if name not in current["channels"]:
        yield f"{name}: the topic is gone."
        return
    before, after = _message(channel, released), _message(current["channels"][name], current)
    for trait in ("name", "contentType", "x-source", "x-key", "x-subject"):
        if before[trait] != after[trait]:
            yield f"{name}: its {trait.removeprefix('x-')} was {before[trait]} and is {after[trait]}."
    comparison = _Comparison(_finder(released), _finder(current))
    yield from comparison.differences(before["payload"], after["payload"], name)


def _message(channel: _Schema, document: _Schema) -> _Schema:
    (reference,) = channel["messages"].values()
    return _finder(document)(reference)


def _finder(document: _Schema) -> _Find:
    def find(schema: _Schema) -> _Schema:
        while "$ref" in schema:
            place: _Schema = document
            for step in schema["$ref"].removeprefix("#/").split("/"):
                place = place[step]
            schema = place
        return schema

    return find


class _Comparison:
    """Schemas of the release beside those of this code, each with its own references."""

    def __init__(self, find_before: _Find, find_after: _Find) -> None:
        self._find_before = find_before
        self._find_after = find_after

    def differences(self, before: _Schema, after: _Schema, place: str) -> Iterator[str]:
        """What is not the same at `place`, but for what needs nobody's notice."""
        before, after = _meaning(self._find_before(before)), _meaning(self._find_after(after))
        if "anyOf" in before or "anyOf" in after:
            yield from self._choices(before.get("anyOf", [before]), after.get("anyOf", [after]), place)
        elif "properties" in before and "properties" in after:
            yield from self._fields(before, after, place)
        elif "enum" in before and "enum" in after:
            yield from _values(before["enum"], after["enum"], place)
        elif "items" in before and "items" in after:
            yield from self.differences(before["items"], after["items"], f"{place}[]")
            yield from _same(_without(before, "items"), _without(after, "items"), place)
        else:
            yield from _same(before, after, place)

    def _fields(self, before: _Schema, after: _Schema, place: str) -> Iterator[str]:
        required_before, required_after = set(before.get("required", ())), set(after.get("required", ()))
        for name, schema in before["properties"].items():
            if name not in after["properties"]:
                yield f"{place}.{name}: the field is gone."
                continue
            yield from self.differences(schema, after["properties"][name], f"{place}.{name}")
            if name in required_before - required_after:
                yield f"{place}.{name}: the field was always there and may be missing now."
        for name in sorted(required_after - required_before):
            yield f"{place}.{name}: the field is required now, and events that wait do not have it."

    def _choices(self, before: list[_Schema], after: list[_Schema], place: str) -> Iterator[str]:
        """Alternatives, in any order; where they pair off by type, each pair is looked into."""
        kinds_before = {_kind(self._find_before(choice)): choice for choice in before}
        kinds_after = {_kind(self._find_after(choice)): choice for choice in after}
        for kind in kinds_before.keys() - kinds_after.keys():
            yield f"{place}: it is never {kind} now, and events that wait may say so."
        for kind in kinds_after.keys() - kinds_before.keys():
            yield f"{place}: it may be {kind} now, which a strict consumer refuses."
        for kind in kinds_before.keys() & kinds_after.keys():
            yield from self.differences(kinds_before[kind], kinds_after[kind], place)


def _meaning(schema: _Schema) -> _Schema:
    return {name: value for name, value in schema.items() if name not in _MEANINGLESS}


def _kind(schema: _Schema) -> str:
    if "enum" in schema:
        return "one of a list"
    return " ".join(str(schema[name]) for name in ("type", "format") if name in schema)


def _values(before: list[Any], after: list[Any], place: str) -> Iterator[str]:
    for value in before:
        if value not in after:
            yield f"{place}: {value!r} is no value any more, and events that wait may say it."
    for value in after:
        if value not in before:
            yield f"{place}: {value!r} is a new value, which a strict consumer refuses."


def _same(before: _Schema, after: _Schema, place: str) -> Iterator[str]:
    if before != after:
        yield f"{place}: it was {_said(before)} and is {_said(after)}."


def _said(schema: _Schema) -> str:
    return ", ".join(f"{name} {value}" for name, value in schema.items()) or "anything"


def _without(schema: _Schema, name: str) -> _Schema:
    return {key: value for key, value in schema.items() if key != name}
