"""The AsyncAPI 3 description of all events, made out of the topics and their payload types."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import inspect

from moocflix import __version__
from moocflix.platform.events.envelope import Payload, Topic
from moocflix.platform.service import Service

_ABOUT = """\
What the services tell each other. Events are CloudEvents 1.0; on Kafka in binary content mode, with the attributes as \
headers and the key named here.

At least once, and in order for each key within one topic; between topics there is no order. An event about an entity \
carries its whole public state and its version: apply it only where the version is newer. Ignore fields that you do \
not know. A message that keeps failing in a group is parked, and a copy goes to `<topic>.dead-letter`.
"""
_SCHEMAS = "#/components/schemas/"


def description(services: Sequence[Service]) -> dict[str, Any]:
    """The description as plain data."""
    topics = [topic for service in services for topic in service.topics]
    channels: dict[str, Any] = {}
    for topic in topics:
        channels[topic.name] = _channel(topic, topic.name)
        for alias in topic.aliases:
            channels[alias] = {**_channel(topic, alias), "x-alias-of": topic.name}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "MoocFlix events", "version": __version__, "description": _ABOUT},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {name: operation for service in services for name, operation in _operations(service)},
        "components": {
            "messages": {topic.name: _message(topic) for topic in topics},
            "schemas": {**_schemas(topics), "CloudEvent": _cloud_event()},
        },
    }


def _channel(topic: Topic[Any], address: str) -> dict[str, Any]:
    return {
        "address": address,
        "description": _about(topic.payload),
        "messages": {topic.name: {"$ref": f"#/components/messages/{topic.name}"}},
    }


def _about(payload: type[Payload]) -> str:
    return " ".join((payload.__doc__ or "").split())


def _operations(service: Service) -> list[tuple[str, dict[str, Any]]]:
    sent = [(f"{service.name}.publishes.{topic.name}", _operation("send", service, topic)) for topic in service.topics]
    reacts = {reaction.topic.name: reaction.topic for reaction in service.reactions}
    received = [
        (f"{service.name}.reacts-to.{name}", _operation("receive", service, topic)) for name, topic in reacts.items()
    ]
    return [*sent, *received]


def _operation(action: str, service: Service, topic: Topic[Any]) -> dict[str, Any]:
    channel = f"#/channels/{topic.name}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{topic.name}"}],
        "tags": [{"name": service.name}],
    }


def _message(topic: Topic[Any]) -> dict[str, Any]:
    key = _camel(topic, topic.key)
    return {
        "name": topic.type,
        "title": topic.payload.__name__,
        "contentType": "application/json",
        "headers": {"$ref": f"{_SCHEMAS}CloudEvent"},
        "payload": {"$ref": f"{_SCHEMAS}{topic.payload.__name__}"},
        "correlationId": {"location": "$message.header#/ce_correlationid"},
        "bindings": {"kafka": {"key": {"type": "string", "description": f"The payload's {key}."}}},
        "x-source": f"/moocflix/{topic.source}",
        "x-key": key,
        "x-subject": _camel(topic, topic.subject or topic.key),
    }


def _camel(topic: Topic[Any], field: str) -> str:
    names = {found.name: found.encode_name for found in msgspec.structs.fields(topic.payload)}
    return names[field]


def _cloud_event() -> dict[str, Any]:
    """The attributes as Kafka headers. `ce_time` is that of the outbox row."""
    texts = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time")
    optional = ("ce_correlationid", "ce_traceparent")
    properties: dict[str, Any] = {name: {"type": "string"} for name in (*texts, *optional)}
    properties["ce_specversion"] = {"const": "1.0"}
    properties["ce_id"]["format"] = "uuid"
    properties["ce_time"]["format"] = "date-time"
    return {
        "title": "CloudEvent",
        "description": "The CloudEvents attributes of a message; its id is the same under every alias.",
        "type": "object",
        "properties": properties,
        "required": list(texts),
    }


def _schemas(topics: Sequence[Topic[Any]]) -> dict[str, Any]:
    payloads = list(dict.fromkeys(topic.payload for topic in topics))
    _, schemas = msgspec.json.schema_components(payloads, ref_template=f"{_SCHEMAS}{{name}}")
    for kind in inspect.multi_type_info(payloads):
        if isinstance(kind, inspect.StructType):
            _say_formats(kind, schemas[kind.cls.__name__])
    return dict(sorted(schemas.items()))


def _say_formats(struct: inspect.StructType, schema: dict[str, Any]) -> None:
    """Say that decimals are numbers, and the format of times, which msgspec does only where they declare their zone."""
    for field in struct.fields:
        kinds = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
        said = schema["properties"][field.encode_name]
        texts = [part for part in said.get("anyOf", [said]) if part.get("type") == "string"]
        if any(isinstance(kind, inspect.DateTimeType) for kind in kinds):
            texts[0]["format"] = "date-time"
        if any(isinstance(kind, inspect.DecimalType) for kind in kinds):
            texts[0]["type"] = "number"
            del texts[0]["format"]
