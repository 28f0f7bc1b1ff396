"""`asyncapi`: the description of all events, made without a database, and whether it still fits the released one."""

from pathlib import Path

import yaml

from moocflix.entrypoints.services import SERVICES
from moocflix.platform.events.compatibility import breaks
from moocflix.platform.events.description import description


def text() -> str:
    """The AsyncAPI 3 description in YAML."""
    return yaml.safe_dump(description(SERVICES), sort_keys=False, allow_unicode=True, width=120)


def breaks_since(released: Path) -> list[str]:
    """A sentence for each change since this description that would break somebody who goes by it."""
    return breaks(yaml.safe_load(released.read_text(encoding="utf-8")), description(SERVICES))
