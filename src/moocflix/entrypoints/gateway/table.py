"""The public routes as a gateway sees them: by path, with the service that answers and who may call."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from moocflix.platform.http import system
from moocflix.platform.http.routes import Route, route_of
from moocflix.platform.service import Service

_PARAMETER = re.compile(r"\{[a-z_]+(?::([a-z]+))?\}")
# For those who run the platform, not for the world.
_HIDDEN = frozenset({"/metrics"})


@dataclass(frozen=True)
class PublicPath:
    """One path of one service."""

    template: str
    pattern: str
    """A regular expression for the whole path."""
    service: str
    signed_in: frozenset[str]
    """The methods that need somebody who is signed in."""
    anonymous: frozenset[str]
    streams: bool
    """Whether bodies of any length come or go, for as long as they take."""

    @property
    def shown(self) -> str:
        """The template for people, and for the names of spans: without the types of its parameters."""
        return re.sub(r":[a-z]+\}", "}", self.template)

    @property
    def methods(self) -> frozenset[str]:
        """All methods that are served."""
        return self.signed_in | self.anonymous


def public_paths(services: Iterable[Service]) -> list[PublicPath]:
    """Every public path, those before that are more exact: the first whose pattern fits is the right one."""
    found: dict[tuple[str, str], PublicPath] = {}
    for service in (*services, system.service):
        for handler in service.routes:
            route = route_of(handler)
            if route is None or route.who.services:
                continue
            for template in set(handler.paths) - _HIDDEN:
                path = _path(template, service.name, route, frozenset(handler.http_methods))
                known = found.get((path.pattern, service.name))
                found[path.pattern, service.name] = path if known is None else _both(known, path)
    return sorted(found.values(), key=lambda path: (_exactness(path.template), path.service))


def _path(template: str, service: str, route: Route, methods: frozenset[str]) -> PublicPath:
    nobody: frozenset[str] = frozenset()
    return PublicPath(
        template=template,
        pattern=_pattern(template),
        service=service,
        signed_in=nobody if route.who.anonymous else methods,
        anonymous=methods if route.who.anonymous else nobody,
        # What is answered in ranges is a file; what else is no JSON is a page.
        streams=route.writes == "stream" or HTTPStatus.PARTIAL_CONTENT in route.sends,
    )


def _both(one: PublicPath, other: PublicPath) -> PublicPath:
    return PublicPath(
        template=min(one.template, other.template),
        pattern=one.pattern,
        service=one.service,
        signed_in=one.signed_in | other.signed_in,
        anonymous=one.anonymous | other.anonymous,
        streams=one.streams or other.streams,
    )


def _pattern(template: str) -> str:
    parts = []
    end = 0
    for parameter in _PARAMETER.finditer(template):
        parts.append(re.escape(template[end : parameter.start()]))
        parts.append(".+" if parameter[1] == "path" else "[^/]+")
        end = parameter.end()
    whole = "".join(parts) + re.escape(template[end:])
    return "/" if whole == "/" else f"{whole}/?"


def _exactness(template: str) -> list[tuple[int, str]]:
    """Sorts fixed segments before any one, and that before any number of them."""
    kinds = {True: 2, False: 1}
    found = []
    for segment in template.split("/"):
        parameter = _PARAMETER.search(segment)
        found.append((0, segment) if parameter is None else (kinds[parameter[1] == "path"], ""))
    return found
