"""The two pages of the platform and their files, as bytes: who serves them decides where and with which headers."""

from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import NamedTuple

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Holds for all pages: nothing inline, nothing from anywhere else."""

_MEDIA_TYPES = {
    "favicon.svg": "image/svg+xml",
    "moocflix.css": "text/css; charset=utf-8",
    "home.js": "text/javascript; charset=utf-8",
    "browser.js": "text/javascript; charset=utf-8",
    "description.js": "text/javascript; charset=utf-8",
    "schema.js": "text/javascript; charset=utf-8",
    "element.js": "text/javascript; charset=utf-8",
    "request.js": "text/javascript; charset=utf-8",
    "sign-in.js": "text/javascript; charset=utf-8",
}


class Page(NamedTuple):
    """What is sent."""

    body: bytes
    media_type: str


def home(*, version: str, mode: str, address: str, services: Sequence[tuple[str, str]]) -> Page:
    """The page at `/`: what is running, `services` as name and one sentence, and where to go from here."""
    values = {
        "version": escape(version),
        "mode": escape(mode),
        "address": escape(address),
        "count": str(len(services)),
        "password": "a long enough secret",  # pragma: allowlist secret
        "services": "\n".join(_card(name, summary) for name, summary in services),
    }
    return Page(Template(_text("home.html")).substitute(values).encode(), "text/html; charset=utf-8")


def api_browser() -> Page:
    """The page at `/docs`; it reads `/openapi.json` and needs the files of `asset` below `/assets/`."""
    return Page(_text("browser.html").encode(), "text/html; charset=utf-8")


def asset(name: str) -> Page | None:
    """A file that the pages ask for below `/assets/`; None for any other name."""
    media_type = _MEDIA_TYPES.get(name)
    return None if media_type is None else Page(_text(f"assets/{name}").encode(), media_type)


def _card(name: str, summary: str) -> str:
    return f'<li><a href="/docs#/{escape(name)}"><strong>{escape(name)}</strong><span>{escape(summary)}</span></a></li>'


@cache
def _text(name: str) -> str:
    return (files("moocflix.web") / name).read_text(encoding="utf-8")
