"""What holds for every route of every service."""

from collections.abc import Iterator

import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from moocflix.entrypoints.services import SERVICES
from moocflix.platform.http import system
from moocflix.platform.http.app import framework
from moocflix.platform.http.routes import Route, route_of
from moocflix.platform.service import Service

ALL = (*SERVICES, system.service)


def handlers() -> Iterator[tuple[Service, HTTPRouteHandler]]:
    """Every handler with its service."""
    return ((service, handler) for service in ALL for handler in service.routes)


def declared(handler: HTTPRouteHandler) -> Route:
    """What was declared of it."""
    route = route_of(handler)
    assert route is not None, f"{sorted(handler.paths)} is not declared through platform.http.routes"
    return route


def test_every_route_declares_who_may_call() -> None:
    assert all(declared(handler).who.name for _, handler in handlers())


def test_every_path_that_the_framework_knows_is_declared() -> None:
    undeclared = [
        (method, route.path)
        for route in framework(ALL).routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if method != "OPTIONS" and route_of(handler) is None
    ]
    assert undeclared == []


def test_internal_routes_are_for_services_alone_and_services_for_internal_routes() -> None:
    mixed = [
        path
        for _, handler in handlers()
        for path in handler.paths
        if path.startswith("/internal/") != (declared(handler).who.name == "service")
    ]
    assert mixed == []


def test_every_route_says_what_it_does() -> None:
    silent = [sorted(handler.paths) for _, handler in handlers() if not (handler.summary and handler.description)]
    assert silent == []


def test_no_two_routes_answer_the_same_request() -> None:
    seen: dict[tuple[str, str], str] = {}
    for service, handler in handlers():
        for path in handler.paths:
            for method in handler.http_methods:
                assert seen.setdefault((str(method), path), service.name) == service.name


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_service_publishes_only_its_own_topics_and_reacts_to_no_topic_twice(service: Service) -> None:
    assert {topic.source for topic in service.topics} <= {service.name}
    topics = [reaction.topic.name for reaction in service.reactions]
    assert len(topics) == len(set(topics))
