"""docs/configuration.md, made out of the sections that the code declares; run as a module it writes the page."""

import importlib
import inspect
import re
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

import moocflix
from moocflix.platform.settings import PREFIX, SHORT_FORMS, Section

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
SOURCE = Path(moocflix.__path__[0])
FIRST = ("platform", "http", "database")

HEAD = """# Configuration

Every setting has a default with which `make run` works. Set one in the environment under the name below, or in
`config/moocflix.toml` (`MOOCFLIX_CONFIG` names another file), in the table of its section, in lower case:

```toml
[http]
port = 9000
```

The environment wins over the file. A value that cannot be used stops the start with a sentence that names it, and so
does a name in the file that no setting has; of a variable with such a name the start only tells. Lists are comma
separated in the environment. {short_forms}

This page is written by `make docs`; a test keeps it true.

## Beside the sections

These are variables alone; the file has no table for them.

| variable | meaning |
| --- | --- |
| `MOOCFLIX_CONFIG` | The settings file; it must be there then. |
| `MOOCFLIX_SECRET_<NAME>` | One of the platform's own secrets, before the file of that name. |
| `MOOCFLIX_DATABASE_<SERVICE>_URL` | The database of this service alone; empty: a schema in that of `database.url`. |
| `MOOCFLIX_DATABASE_<SERVICE>_DIRECT_URL` | The same past a connection pooler, for what must not go through one. |
| `MOOCFLIX_DATABASE_<SERVICE>_ADMIN_URL` | The same as an administrator, for migrations; empty: as `database.url`. |
| `MOOCFLIX_ADMIN_PASSWORD` | The password for `moocflix users create-admin`, which asks where it is not set. |
| `OTEL_EXPORTER_OTLP_ENDPOINT` | Address of an OTLP/HTTP receiver of spans, where `traces.endpoint` is empty. |
| `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` | The same with its whole path; before the one above. |
| `OTEL_EXPORTER_OTLP_TIMEOUT` | Seconds that the receiver has to answer; 3 where it is not set. |
| `OTEL_SERVICE_NAME` | The process's name in its spans; `moocflix-…` where it is not set. |
| `OTEL_TRACES_SAMPLER` | `always_on`, `always_off`, or `traceidratio` for a share of the new traces. |
| `OTEL_TRACES_SAMPLER_ARG` | That share, from 0 to 1. |
"""


def sections() -> list[type[Section]]:
    """All sections that any module of the platform declares, the platform's own first."""
    for file in SOURCE.rglob("*.py"):
        if "(Section" in file.read_text(encoding="utf-8"):
            importlib.import_module(".".join(("moocflix", *file.relative_to(SOURCE).with_suffix("").parts)))
    declared = [kind for kind in Section.__subclasses__() if kind.__module__.startswith("moocflix.")]
    return sorted(declared, key=lambda kind: (kind.section not in FIRST, kind.section))


def undocumented() -> list[str]:
    """Settings without a description, which nobody could use."""
    return [
        f"{kind.section}.{field.name}"
        for kind in sections()
        for field in msgspec.structs.fields(kind)
        if not _meta(field.type, "description")
    ]


def page() -> str:
    """The page's text."""
    short = ", ".join(f"`{short}` is short for `{full}`" for short, full in SHORT_FORMS.items())
    return "\n".join([HEAD.format(short_forms=f"{short}."), *(_section(kind) for kind in sections())])


def _section(kind: type[Section]) -> str:
    rows = [_row(kind, field) for field in msgspec.structs.fields(kind)]
    about = (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")
    return "\n".join(
        [f"## [{kind.section}]", "", about, "", "| setting | default | meaning |", "| --- | --- | --- |", *rows, ""]
    )


def _row(kind: type[Section], field: msgspec.structs.FieldInfo) -> str:
    name = f"{PREFIX}{kind.section}_{field.name}".upper()
    about = f"{_meta(field.type, 'description')} {_limits(field.type)}".strip().replace("|", "\\|")
    default = _default(field)
    # A server's own default login is no secret; the scanner cannot know.
    known = " <!-- pragma: allowlist secret -->" if re.search("://[^/]+:[^/]+@", default) else ""
    return f"| `{name}` | {default} | {about} |{known}"


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory
    if callable(value):
        value = value()
    if isinstance(value, list | tuple | set | frozenset):
        value = ", ".join(map(str, value))
    if isinstance(value, bool):
        value = str(value).lower()
    return f"`{value}`" if str(value) else "empty"


def _limits(kind: Any) -> str:
    inner = _plain(kind)
    if typing.get_origin(inner) is Literal:
        return "One of " + ", ".join(f"`{choice}`" for choice in typing.get_args(inner)) + "."
    low, high = _meta(kind, "ge"), _meta(kind, "le")
    if low is not None and high is not None:
        return f"From {low} to {high}."
    return f"At least {low}." if low is not None else f"At most {high}." if high is not None else ""


def _meta(kind: Any, name: str) -> Any:
    found = [getattr(meta, name) for meta in getattr(kind, "__metadata__", ()) if isinstance(meta, msgspec.Meta)]
    return next((value for value in found if value is not None), None)


def _plain(kind: Any) -> Any:
    return typing.get_args(kind)[0] if typing.get_origin(kind) is Annotated else kind


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
