"""`moocflix`: the command line. Each command imports what it needs when it runs, so that --help answers at once."""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from moocflix import __version__

if TYPE_CHECKING:
    from moocflix.platform.settings import Settings

_SINCE = click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"])

# For commands that live in a module of their own: everything after their name, --help too, is handed on.
_HANDS_ON: dict[str, Any] = {"add_help_option": False, "context_settings": {"ignore_unknown_options": True}}
_arguments = click.argument("arguments", nargs=-1, type=click.UNPROCESSED)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="moocflix")
def moocflix() -> None:
    """MoocFlix, an online-learning platform.

    `moocflix up` runs all of it on this machine. Settings are environment variables (MOOCFLIX_PORT, MOOCFLIX_DATA, …)
    or config/moocflix.toml; docs/configuration.md lists them.
    """


def main() -> None:
    """Run a command. What a person can do something about is said in a sentence; the exit code is 1 then."""
    from moocflix.entrypoints.faults import sentence

    try:
        moocflix(prog_name="moocflix")
    except Exception as error:
        said = sentence(error)
        if said is None:
            raise
        click.echo(f"moocflix: {said}", err=True)
        sys.exit(1)


def _settings() -> "Settings":
    from moocflix.entrypoints.environment_file import settings_here

    return settings_here(os.environ)


@moocflix.command()
@click.option("--logs", is_flag=True, help="Write the processes' log here instead of into the data folder.")
@click.option("--workers", type=click.IntRange(1, 64), help="Server processes on the one port (http.workers).")
def up(*, logs: bool, workers: int | None) -> None:
    """Run the whole platform on this machine.

    PostgreSQL, migrations, the server and the worker. Listens on MOOCFLIX_PORT (8000); the data are in MOOCFLIX_DATA
    (.moocflix). What dies is started again. Ctrl-C and SIGTERM stop it.
    """
    from moocflix.entrypoints.up import run
    from moocflix.platform.settings import load

    run(load(environ=os.environ), logs=logs, workers=workers, say=click.echo)


@moocflix.command()
def distributed() -> None:
    """Run each service as a process of its own on this machine, behind Envoy on MOOCFLIX_PORT."""
    from moocflix.entrypoints.distributed.run import run
    from moocflix.platform.settings import load

    run(load(environ=os.environ), say=click.echo)


@moocflix.command(**_HANDS_ON)
@_arguments
def gateway(arguments: tuple[str, ...]) -> None:
    """Write gateways' configuration files out of the routes."""
    from moocflix.entrypoints.gateway.command import gateway as command

    command.main(args=list(arguments), prog_name="moocflix gateway", obj=_settings())


@moocflix.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def serve(names: tuple[str, ...]) -> None:
    """Serve HTTP for these services, or for all.

    The database must run and be migrated.
    """
    _leave_rich_out()
    from moocflix.entrypoints.serve import run

    run(_settings(), names)


@moocflix.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def work(names: tuple[str, ...]) -> None:
    """Run reactions and jobs of these services, or of all."""
    _leave_rich_out()
    from moocflix.entrypoints.work import run

    run(_settings(), names)


@moocflix.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def relay(names: tuple[str, ...]) -> None:
    """Bring events of these services, or of all, to the broker.

    Needed where events.bus is kafka or rabbitmq. Several may run at once.
    """
    _leave_rich_out()
    from moocflix.entrypoints.relay import run

    run(_settings(), names)


@moocflix.command()
@click.option("--pre-only", is_flag=True, help="Leave out what fits only once the new code runs everywhere.")
def migrate(*, pre_only: bool) -> None:
    """Bring the database up to this version.

    Safe to run twice, and from several machines at once. The embedded database is started for it if need be.
    """
    from moocflix.entrypoints.migrate import run

    done = run(_settings(), pre_only=pre_only, report=click.echo)
    click.echo(f"{len(done)} migrations have run." if done else "There was nothing to do.")


@moocflix.command(**_HANDS_ON)
@_arguments
def move(arguments: tuple[str, ...]) -> None:
    """Move an embedded installation into a distributed one."""
    from moocflix.entrypoints.move import move as command

    command.main(args=list(arguments), prog_name="moocflix move", obj=_settings())


@moocflix.command(**_HANDS_ON)
@_arguments
def users(arguments: tuple[str, ...]) -> None:
    """Make admins and new signing keys."""
    from moocflix.entrypoints.users import users as command

    command.main(args=list(arguments), prog_name="moocflix users", obj=_settings())


@moocflix.command()
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file.")
def openapi(output: Path | None) -> None:
    """Print the OpenAPI description of the API, as YAML."""
    from moocflix.entrypoints.openapi import text

    if output is None:
        click.echo(text(), nl=False)
    else:
        output.write_text(text())


@moocflix.command(**_HANDS_ON)
@_arguments
def asyncapi(arguments: tuple[str, ...]) -> None:
    """Print the AsyncAPI description of the events, or compare it with a released one."""
    from moocflix.entrypoints.asyncapi import asyncapi as command

    command.main(args=list(arguments), prog_name="moocflix asyncapi")


@moocflix.command()
def doctor() -> None:
    """Check all that the platform stands on, and say what is wrong.

    Settings, data folder, free disk space, database, storage, ffmpeg. The exit code is 1 where a part is at fault.
    """
    from moocflix.entrypoints.doctor import examine

    sound = True
    for finding in examine(os.environ):
        sound = sound and finding.sound
        mark = click.style("ok   ", fg="green") if finding.sound else click.style("fault", fg="red")
        click.echo(f"{mark} {finding.part:<12} {finding.says}")
    if not sound:
        sys.exit(1)


@moocflix.command(**_HANDS_ON)
@_arguments
def demo(arguments: tuple[str, ...]) -> None:
    """Fill a running platform with a catalogue."""
    from moocflix.entrypoints.demo.command import demo as command

    command.main(args=list(arguments), prog_name="moocflix demo")


@moocflix.group()
def events() -> None:
    """See and mend what services tell each other."""


@events.command("list")
def list_topics() -> None:
    """List every topic with who publishes it and who reacts to it."""
    from moocflix.entrypoints.events import topics

    _table(("TOPIC", "PUBLISHED BY", "REACTING", "ALSO AS"), topics())


@events.command()
def lag() -> None:
    """Show how far each group of reactions is behind each service whose events it reads."""
    from moocflix.entrypoints.events import lags

    _table(("GROUP", "READS FROM", "WAITING", "OLDEST"), lags(_settings()))


@events.command()
@click.argument("group")
@click.option(
    "--since", type=_SINCE, help="From this time on (UTC if it names no zone); from the beginning if left out."
)
@click.option("--source", "sources", multiple=True, help="Only what this service has published; may be repeated.")
@click.confirmation_option(prompt="Its reactions will run again on all of this. Go on?")
def rewind(group: str, since: datetime | None, sources: tuple[str, ...]) -> None:
    """Have GROUP (a service) read events again. Refused where its reactions act on more than its database."""
    from moocflix.entrypoints.events import rewind as run

    rewound = run(_settings(), group, since, sources)
    click.echo(f"{group} reads again from {', '.join(rewound)}." if rewound else f"{group} reads from none of these.")


@events.group()
def dead() -> None:
    """Messages that failed for good: look at them, try them again, or forget them."""


_group = click.argument("group")
_topic = click.option("--topic", help="Only messages of this topic.")
_ids = click.argument("ids", nargs=-1, type=click.UUID, metavar="[ID]...")
_all = click.option("--all", "everything", is_flag=True, help="Every message of the group, or of the topic.")


@dead.command("list")
@click.argument("group", required=False)
@_topic
@click.option("--limit", default=100, show_default=True, help="At most so many of each group.")
def list_dead(group: str | None, topic: str | None, limit: int) -> None:
    """List the dead letters of GROUP (a service), or of all, the oldest first."""
    from moocflix.entrypoints.events import dead_letters

    _table(("GROUP", "ID", "TOPIC", "KEY", "PARKED", "TRIES", "ERROR"), dead_letters(_settings(), group, topic, limit))


@dead.command()
@_group
@_ids
@_topic
@_all
def replay(group: str, ids: tuple[UUID, ...], topic: str | None, *, everything: bool) -> None:
    """Have GROUP try dead letters again: those with these IDs, or --all."""
    _require_choice(ids, topic, everything=everything)
    from moocflix.entrypoints.events import replay as run

    click.echo(f"{run(_settings(), group, ids, topic)} messages are tried again.")


@dead.command()
@_group
@_ids
@_topic
@_all
@click.confirmation_option(prompt="They are lost for good. Go on?")
def drop(group: str, ids: tuple[UUID, ...], topic: str | None, *, everything: bool) -> None:
    """Forget dead letters of GROUP: those with these IDs, or --all."""
    _require_choice(ids, topic, everything=everything)
    from moocflix.entrypoints.events import drop as run

    click.echo(f"{run(_settings(), group, ids, topic)} messages are forgotten.")


def _leave_rich_out() -> None:
    """Keep structlog and httpx from loading what paints terminals: it costs 0.2 s at the start, and 4 MB for good."""
    sys.modules["rich"] = None  # type: ignore[assignment]


def _require_choice(ids: tuple[UUID, ...], topic: str | None, *, everything: bool) -> None:
    if bool(ids) == (everything or topic is not None):
        raise click.UsageError("Name messages by their IDs, or say --topic or --all.")


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    for row in [heads, *rows]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
