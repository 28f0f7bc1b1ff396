"""The AsyncAPI description: true to the topics and to what is sent, and kept fit for consumers of the last release."""

import copy
import dataclasses
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import jsonschema_rs
import msgspec
import pytest
import yaml

from moocflix.contracts.courses import CourseState
from moocflix.entrypoints import asyncapi
from moocflix.entrypoints.services import SERVICES
from moocflix.platform.events.cloudevents import NAMES
from moocflix.platform.events.compatibility import breaks
from moocflix.platform.events.description import description
from moocflix.platform.events.envelope import Payload, State, Topic
from tests.factories.platform import TestPlatform

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """The description that the code makes."""
    document: dict[str, Any] = yaml.safe_load(asyncapi.text())
    return document


def references(part: Any) -> list[str]:
    """Every reference in a part of the description."""
    if isinstance(part, list):
        return [found for item in part for found in references(item)]
    if not isinstance(part, dict):
        return []
    return [part["$ref"]] if "$ref" in part else [found for item in part.values() for found in references(item)]


def target(document: dict[str, Any], reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        document = document[step]
    return document


def test_the_kept_description_is_that_of_the_code(described: dict[str, Any]) -> None:
    assert yaml.safe_load((DOCS / "events.yaml").read_text(encoding="utf-8")) == described, "run: make docs"


def test_every_topic_and_alias_is_a_channel(described: dict[str, Any]) -> None:
    names = {name for service in SERVICES for topic in service.topics for name in (topic.name, *topic.aliases)}
    assert set(described["channels"]) == names


def test_every_reaction_is_an_operation(described: dict[str, Any]) -> None:
    reactions = {f"{service.name}.reacts-to.{it.topic.name}" for service in SERVICES for it in service.reactions}
    assert reactions <= set(described["operations"])


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    found = references(described)
    assert len(found) > len(described["channels"])
    assert all(target(described, reference) is not None for reference in found)


async def test_events_are_as_described(platform: TestPlatform, described: dict[str, Any]) -> None:
    course = await platform.course(modules=1, lessons=1)
    await platform.enrollment(await platform.person(), course)
    seen = set()
    for service in SERVICES:
        for row in await platform.database(service.name).reader.fetch("SELECT topic, data FROM outbox"):
            seen.add(row["topic"])
            payload = described["components"]["messages"][row["topic"]]["payload"]
            schema = {**payload, "components": described["components"]}
            jsonschema_rs.Draft202012Validator(schema).validate(row["data"])
    assert {"User-Creation", "Course-Creation", "Module-Creation", "Lesson-Creation", "Student-Enrolled"} <= seen


def test_nothing_breaks_who_goes_by_the_released_description(described: dict[str, Any]) -> None:
    released = yaml.safe_load((DOCS / "events.released.yaml").read_text(encoding="utf-8"))
    assert breaks(released, described) == []


async def test_a_price_is_a_number_and_one_that_waits_as_a_string_is_read_as_well(
    platform: TestPlatform, described: dict[str, Any]
) -> None:
    await platform.course(price=49.9)
    data = await platform.database("courses").reader.fetchval(
        "SELECT data::text FROM outbox WHERE topic = 'Course-Creation'"
    )
    assert '"price": 49.90,' in data
    assert described["components"]["schemas"]["CourseState"]["properties"]["price"] == {"type": "number"}
    for waits in (data, data.replace("49.90", '"49.90"')):
        assert str(msgspec.json.decode(waits, type=CourseState).price) == "49.90"


class Author(Payload, frozen=True, kw_only=True):
    """Within another payload."""

    name: str


class BookState(State, frozen=True, kw_only=True):
    """A payload with a field of each kind."""

    book_id: UUID
    title: str
    status: Literal["draft", "printed"]
    pages: int
    subtitle: str | None
    author: Author
    tags: list[str]
    printed_at: datetime | None = None
    price: Decimal = Decimal(0)


BOOK_UPDATE = Topic("Book-Update", "library", BookState, key="book_id", aliases=("book_updated",))


def events(*topics: Topic[Any]) -> dict[str, Any]:
    """The description of a service with these topics."""
    return description([dataclasses.replace(SERVICES[0], topics=topics, reactions=())])


def changed(*, drop: str | None = None, **fields: Any) -> dict[str, Any]:
    """The description after a change of fields: a type, or a type with its default."""
    kept = {field.name: (field.name, field.type, field) for field in msgspec.structs.fields(BookState)}
    parts: list[Any] = []
    for name, kind, field in kept.values():
        if name in fields or name == drop:
            continue
        parts.append((name, kind) if field.required else (name, kind, field.default))
    parts += [(name, *change) if isinstance(change, tuple) else (name, change) for name, change in fields.items()]
    payload: Any = msgspec.defstruct("BookState", parts, bases=(Payload,), frozen=True, kw_only=True)
    return events(dataclasses.replace(BOOK_UPDATE, payload=payload))


class AuthorByNumber(Payload, frozen=True, kw_only=True):
    """A change deep inside."""

    name: int


RELEASED = events(BOOK_UPDATE)

BREAKING = {
    "a field is gone": (changed(drop="title"), "Book-Update.title: the field is gone."),
    "a field with a default is gone": (changed(drop="price"), "Book-Update.price: the field is gone."),
    "a type is another": (changed(pages=str), "Book-Update.pages: it was type integer and is type string."),
    "a type is wider": (changed(pages=float), "Book-Update.pages: it was type integer and is type number."),
    "a format is another": (changed(book_id=str), "Book-Update.bookId: it was type string, format uuid"),
    "a value is new": (changed(status=Literal["draft", "printed", "sold"]), "'sold' is a new value"),
    "a value is gone": (changed(status=Literal["draft"]), "'printed' is no value any more"),
    "null is new": (changed(title=str | None), "Book-Update.title: it may be null now"),
    "null is gone": (changed(subtitle=str), "Book-Update.subtitle: it is never null now"),
    "a required field is new": (changed(isbn=str), "Book-Update.isbn: the field is required now"),
    "a field may be missing": (changed(title=(str, "")), "Book-Update.title: the field was always there"),
    "items are others": (changed(tags=list[int]), "Book-Update.tags[]: it was type string and is type integer."),
    "a nested field is another": (changed(author=AuthorByNumber), "Book-Update.author.name: it was type string"),
    "a bound is new": (changed(pages=Annotated[int, msgspec.Meta(ge=1)]), "is type integer, minimum 1."),
    "a topic is gone": (events(), "Book-Update: the topic is gone."),
    "an alias is gone": (events(dataclasses.replace(BOOK_UPDATE, aliases=())), "book_updated: the topic is gone."),
    "the key is another": (events(dataclasses.replace(BOOK_UPDATE, key="title")), "Book-Update: its key was bookId"),
    "the owner is another": (events(dataclasses.replace(BOOK_UPDATE, source="shop")), "Book-Update: its source was"),
}

HARMLESS = {
    "nothing": RELEASED,
    "a new field with a default": changed(language=(str, "en")),
    "another default": changed(price=(Decimal, Decimal(1))),
    "a new alias": events(dataclasses.replace(BOOK_UPDATE, aliases=("book_updated", "books"))),
    "a new topic": events(BOOK_UPDATE, dataclasses.replace(BOOK_UPDATE, name="Book-Creation", aliases=())),
}


@pytest.mark.parametrize("change", BREAKING)
def test_a_change_that_breaks_a_consumer_is_named(change: str) -> None:
    current, sentence = BREAKING[change]
    found = breaks(RELEASED, current)
    assert any(sentence in line for line in found), found


@pytest.mark.parametrize("change", HARMLESS)
def test_a_change_that_nobody_has_to_know_of_passes(change: str) -> None:
    assert breaks(RELEASED, HARMLESS[change]) == []


def test_one_change_of_a_real_payload_is_named_wherever_it_is_sent(described: dict[str, Any]) -> None:
    current = copy.deepcopy(described)
    del current["components"]["schemas"]["CourseState"]["properties"]["price"]
    assert breaks(described, current) == [
        f"{name}.price: the field is gone."
        for name in ("Course-Creation", "course_created", "Course-Update", "Course-Updated", "course_updated")
    ]


def test_every_attribute_that_is_sent_is_named_to_those_who_read() -> None:
    page = (DOCS / "howto" / "add-a-consumer.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"`ce_{name}`" not in page] == []
