"""`openapi`: the description of all public routes, made without a database."""

import yaml

from moocflix.entrypoints.services import SERVICES
from moocflix.platform.http import system
from moocflix.platform.http.app import framework
from moocflix.platform.http.openapi import description


def text() -> str:
    """The OpenAPI 3.1 description in YAML."""
    schema = description(framework((*SERVICES, system.service)))
    return yaml.safe_dump(schema, sort_keys=False, allow_unicode=True, width=120)
