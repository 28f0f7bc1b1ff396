"""The OpenAPI 3.1 description, made out of the routes."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from litestar import Litestar
from litestar._openapi.schema_generation import SchemaCreator
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, OpenAPIType, Schema, SecurityScheme, Tag
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from moocflix import __version__
from moocflix.platform.http.routes import route_of
from moocflix.platform.service import Service


class MoneySchema(OpenAPISchemaPlugin):
    """Decimals are numbers in answers and requests."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        """Whether this is a decimal."""
        return value is Decimal

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: SchemaCreator) -> Schema:
        """A number."""
        del field_definition, schema_creator
        return Schema(type=OpenAPIType.NUMBER)


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
        path="/schema-of-the-framework",
        render_plugins=[],
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
                if operation is None or declared is None:
                    continue
                operation["x-who"] = declared.who.name
                operation["x-rate-class"] = declared.rate
                operation["security"] = [{}] if declared.who.anonymous else [{"token": []}]
    return schema
