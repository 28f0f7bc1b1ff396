"""`asyncapi`: the description of all events, made without a database, and whether it still fits the released one."""

import sys
from pathlib import Path

import click
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


@click.command()
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file.")
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Instead, say what would break those who go by this released description; the exit code is 1 then.",
)
def asyncapi(output: Path | None, against: Path | None) -> None:
    """Print the AsyncAPI description of the events, as YAML."""
    if against is not None:
        found = breaks_since(against)
        click.echo("\n".join(found) or "Nothing breaks.")
        sys.exit(bool(found))
    elif output is None:
        click.echo(text(), nl=False)
    else:
        output.write_text(text())
