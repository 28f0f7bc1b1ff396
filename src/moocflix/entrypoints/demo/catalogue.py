"""What the demo fills a platform with, read from catalogue.toml."""

import tomllib
from importlib.resources import files
from typing import Literal

import msgspec

Clip = Literal["life", "mandelbrot"]


class Lesson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A lesson; `clip` names a film that the demo makes, for a lesson of the type VIDEO."""

    type: Literal["VIDEO", "PDF", "QUIZ", "ARTICLE", "LIVE_SESSION", "CODE_SANDBOX"]
    title: str
    minutes: int = 0
    preview: bool = False
    content: str | None = None
    url: str | None = None
    clip: Clip | None = None


class Module(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A module with its lessons in order."""

    title: str
    lessons: list[Lesson]


class Course(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A course; `instructor` is an e-mail address."""

    instructor: str
    title: str
    description: str
    category: str
    difficulty: Literal["Beginner", "Intermediate", "Advanced"]
    tags: list[str]
    modules: list[Module]
    price: float = 0
    language: str = "en"


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account."""

    email: str
    name: str


class Learner(Person, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A learner; `courses` says by title how many lessons are done."""

    courses: dict[str, int]


class Catalogue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything."""

    instructors: list[Person]
    learners: list[Learner]
    courses: list[Course]


def read() -> Catalogue:
    """The catalogue, checked."""
    text = (files("moocflix.entrypoints.demo") / "catalogue.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Catalogue)
