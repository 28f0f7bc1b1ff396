"""The OpenAPI 3.1 description, made out of the routes."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from litestar import Litestar, Router
from litestar._openapi.schema_generation import SchemaCreator
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, OpenAPIType, Schema, SecurityScheme, Tag
from litestar.plugins import OpenAPISchemaPlugin
from litestar.routes import BaseRoute
from litestar.types import ControllerRouterHandler
from litestar.typing import FieldDefinition

from moocflix import __version__
from moocflix.platform.http.idempotency import LONGEST_KEY
from moocflix.platform.http.numbers import Number
from moocflix.platform.http.routes import Route, route_of
from moocflix.platform.service import Service


class MoneySchema(OpenAPISchemaPlugin):
    """Decimals are numbers in answers and requests."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        """Whether this is a decimal."""
        return value in {Decimal, Number}

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: SchemaCreator) -> Schema:
        """A number."""
        del field_definition, schema_creator
        return Schema(type=OpenAPIType.NUMBER)


class _NoRoutes(Router):
    """Where the framework would put pages of its own, which nobody has declared."""

    def register(self, value: ControllerRouterHandler) -> list[BaseRoute]:
        """Take none."""
        del value
        return []


def openapi_config(services: Sequence[Service]) -> OpenAPIConfig:
    """What the description says beside the routes."""
    return OpenAPIConfig(
        title="MoocFlix",
        version=__version__,
        description="An online-learning platform: courses, streamed video, enrolments, progress.",
        tags=[Tag(name=service.name, description=service.summary) for service in services],
        components=Components(
            security_schemes={"token": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
        ),
        use_handler_docstrings=True,
        openapi_router=_NoRoutes("/", route_handlers=[]),
    )


def description(app: Litestar) -> dict[str, Any]:
    """The description as plain data: what the framework makes of the routes, and who may call each."""
    schema: dict[str, Any] = app.openapi_schema.to_schema()
    for route in app.routes:
        operations = schema["paths"].get(route.path_format, {})
        for handler in getattr(route, "route_handlers", ()):
            declared = route_of(handler)
            for method in handler.http_methods:
                operation = operations.get(method.lower())
                if operation is not None and declared is not None:
                    _say(operation, declared)
    return _in_order(schema)


def _in_order(schema: dict[str, Any]) -> dict[str, Any]:
    """By service, and the same at each start: the framework keeps a handler's paths in a set, in no order."""
    services = [tag["name"] for tag in schema["tags"]]

    def place(entry: tuple[str, dict[str, Any]]) -> tuple[int, str]:
        path, operations = entry
        (service,) = next(iter(operations.values()))["tags"]
        return services.index(service), path

    schema["paths"] = dict(sorted(schema["paths"].items(), key=place))
    schema["components"]["schemas"] = dict(sorted(schema["components"]["schemas"].items()))
    return schema


def _say(operation: dict[str, Any], declared: Route) -> None:
    """What only the declaration knows."""
    operation["x-who"] = declared.who.name
    operation["x-rate-class"] = declared.rate
    operation["security"] = [{}] if declared.who.anonymous else [{"token": []}]
    if declared.idempotent and not declared.who.anonymous:
        operation["parameters"] = [*operation.get("parameters", ()), _idempotency_key()]
    for status, media_types in declared.sends.items():
        response = operation["responses"].setdefault(str(status), {"description": "Done", "headers": {}})
        response["content"] = {media_type: {"schema": {}} for media_type in media_types}
    if declared.takes:
        content = {media_type: {"schema": schema} for media_type, schema in declared.takes.items()}
        operation["requestBody"] = {"required": True, "content": content}


def _idempotency_key() -> dict[str, Any]:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key with the same body gets the same answer, and the work is done once.",
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
    }
