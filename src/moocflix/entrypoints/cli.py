"""`moocflix`: the command line. Each command imports what it needs when it runs, so that --help answers at once."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from moocflix import __version__

if TYPE_CHECKING:
    from moocflix.platform.settings import Settings

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
    try:
        moocflix(prog_name="moocflix")
    except Exception as error:
        from moocflix.entrypoints.faults import sentence

        said = sentence(error)
        if said is None:
            raise
        click.echo(f"moocflix: {said}", err=True)
        sys.exit(1)


def _settings(*, own: bool = False) -> "Settings":
    """The settings of this start, all of which can be used. Raises SettingsError."""
    from moocflix.entrypoints.environment_file import settings_here
    from moocflix.entrypoints.settings import check_settings
    from moocflix.platform.settings import load

    settings = load(environ=os.environ) if own else settings_here(os.environ)
    for name in check_settings(settings):
        click.echo(f"moocflix: There is no setting {name}; nothing reads it.", err=True)
    return settings


@moocflix.command()
@click.option("--logs", is_flag=True, help="Write the processes' log here instead of into the data folder.")
@click.option("--workers", type=click.IntRange(1, 64), help="Server processes on the one port (http.workers).")
def up(*, logs: bool, workers: int | None) -> None:
    """Run the whole platform on this machine.

    PostgreSQL, migrations, the server and the worker. Listens on MOOCFLIX_PORT (8000); the data are in MOOCFLIX_DATA
    (.moocflix). What dies is started again. Ctrl-C and SIGTERM stop it.
    """
    from moocflix.entrypoints.up import run

    run(_settings(own=True), logs=logs, workers=workers, say=click.echo)


@moocflix.command()
def distributed() -> None:
    """Run each service as a process of its own on this machine, behind Envoy on MOOCFLIX_PORT."""
    from moocflix.entrypoints.distributed.run import run

    run(_settings(own=True), say=click.echo)


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
@click.option("--new-passwords", is_flag=True, help="Change passwords that the database's roles were given before.")
def migrate(*, pre_only: bool, new_passwords: bool) -> None:
    """Bring the database up to this version.

    Safe to run twice, and from several machines at once. The embedded database is started for it if need be.
    """
    from moocflix.entrypoints.migrate import run

    done = run(_settings(), pre_only=pre_only, new_passwords=new_passwords, report=click.echo)
    click.echo(f"{len(done)} migrations have run." if done else "There was nothing to do.")


@moocflix.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def secrets(folder: Path) -> None:
    """Make the secrets of a production installation, and the services' keys, in FOLDER.

    What is there stays as it is, so that a later release's can be added. Give each process those that it needs.
    """
    from moocflix.entrypoints.migrate import sources
    from moocflix.entrypoints.secret_files import make

    for name, needed_by, is_new in make(folder, [source.name for source in sources()]):
        click.echo(f"{'made' if is_new else 'kept'} {name:<30} for {needed_by}")


@moocflix.command(**_HANDS_ON)
@_arguments
def move(arguments: tuple[str, ...]) -> None:
    """Move an embedded installation into a distributed one."""
    from moocflix.entrypoints.move import move as command

    command.main(args=list(arguments), prog_name="moocflix move", obj=_settings())


@moocflix.command(**_HANDS_ON)
@_arguments
def users(arguments: tuple[str, ...]) -> None:
    """Make admins, block people, change roles, and make new signing keys."""
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


@moocflix.command(**_HANDS_ON)
@_arguments
def events(arguments: tuple[str, ...]) -> None:
    """See and mend what services tell each other."""
    from moocflix.entrypoints.events_command import events as command

    command.main(args=list(arguments), prog_name="moocflix events", obj=_settings())


def _leave_rich_out() -> None:
    """Keep structlog and httpx from loading what paints terminals: it costs 0.2 s at the start, and 4 MB for good."""
    sys.modules["rich"] = None  # type: ignore[assignment]
