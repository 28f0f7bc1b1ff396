"""Puts the services' routes, the framework and the edge together."""

from collections.abc import Sequence

from litestar import Litestar, Router
from litestar.config.app import AppConfig

from moocflix.platform.http.openapi import MoneySchema, openapi_config
from moocflix.platform.http.request import Request
from moocflix.platform.service import Service


def framework(services: Sequence[Service]) -> Litestar:
    """The framework's application with all routes of the services, internal ones too."""
    return Litestar(
        route_handlers=[
            Router(path="/", route_handlers=list(service.routes), tags=[service.name], opt={"service": service.name})
            for service in services
        ],
        request_class=Request,
        openapi_config=openapi_config(services),
        plugins=[MoneySchema()],
        on_app_init=[_quiet],
        request_max_body_size=None,
    )


def _quiet(config: AppConfig) -> AppConfig:
    config.logging_config = None
    return config
