"""What Kong 3 says of the entities and plugins that our file uses: their fields, words and ranges.

As in the schemas that Kong checks a declarative file with, `kong/db/schema/entities` and those of the plugins. Kong
refuses a field that it does not know, and so does this.
"""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, field

_Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._~-]+$")]
_Path = Annotated[str, Meta(pattern=r"^~?/")]
_Port = Annotated[int, Meta(ge=0, le=65535)]
_Timeout = Annotated[int, Meta(ge=1, le=2**31 - 2)]
_Method = Annotated[str, Meta(pattern=r"^[A-Z]+$")]
_Header = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+$")]


class _Entity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class _Plugin(_Entity, frozen=True, kw_only=True, tag_field="name"):
    pass


class JwtConfig(_Entity, frozen=True, kw_only=True):
    key_claim_name: str
    claims_to_verify: list[Literal["exp", "nbf"]]
    header_names: list[_Header]


class Jwt(_Plugin, frozen=True, kw_only=True, tag="jwt"):
    config: JwtConfig


class CorrelationIdConfig(_Entity, frozen=True, kw_only=True):
    header_name: _Header
    generator: Literal["uuid", "uuid#counter", "tracker"]
    echo_downstream: bool


class CorrelationId(_Plugin, frozen=True, kw_only=True, tag="correlation-id"):
    config: CorrelationIdConfig


class RateLimitingConfig(_Entity, frozen=True, kw_only=True):
    minute: Annotated[int, Meta(gt=0)]
    policy: Literal["local", "cluster", "redis"]
    limit_by: Literal["consumer", "credential", "ip", "service", "header", "path", "consumer-group"]
    hide_client_headers: bool


class RateLimiting(_Plugin, frozen=True, kw_only=True, tag="rate-limiting"):
    config: RateLimitingConfig


class SizeConfig(_Entity, frozen=True, kw_only=True):
    allowed_payload_size: int
    size_unit: Literal["megabytes", "kilobytes", "bytes"]
    require_content_length: bool


class SizeLimiting(_Plugin, frozen=True, kw_only=True, tag="request-size-limiting"):
    config: SizeConfig


Plugin: TypeAlias = Jwt | CorrelationId | RateLimiting | SizeLimiting


class Route(_Entity, frozen=True, kw_only=True):
    name: _Name
    paths: Annotated[list[_Path], Meta(min_length=1)]
    methods: Annotated[list[_Method], Meta(min_length=1)]
    regex_priority: int
    strip_path: bool
    preserve_host: bool
    request_buffering: bool
    response_buffering: bool
    plugins: list[Plugin] = []


class Service(_Entity, frozen=True, kw_only=True):
    name: _Name
    protocol: Literal["http", "https"]
    host: str
    port: _Port
    connect_timeout: _Timeout
    read_timeout: _Timeout
    write_timeout: _Timeout
    retries: Annotated[int, Meta(ge=0, le=32767)]
    routes: list[Route]
    plugins: list[Plugin] = []


class JwtSecret(_Entity, frozen=True, kw_only=True):
    key: str
    secret: str
    algorithm: Literal[
        "HS256", "HS384", "HS512", "RS256", "RS384", "RS512",
        "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA",
    ]  # fmt: skip
    rsa_public_key: Annotated[str, Meta(pattern=r"^-----BEGIN PUBLIC KEY-----\n[^-]+-----END PUBLIC KEY-----\n$")]


class Consumer(_Entity, frozen=True, kw_only=True):
    username: str
    jwt_secrets: list[JwtSecret]


class KongFile(_Entity, frozen=True, kw_only=True):
    format_version: Literal["1.1", "2.1", "3.0"] = field(name="_format_version")
    transform: bool = field(name="_transform")
    services: list[Service]
    consumers: list[Consumer]
    plugins: list[Plugin]
