"""`moocflix events`: its commands and what they say."""

from datetime import datetime
from uuid import UUID

import click

from moocflix.entrypoints import events as acts
from moocflix.platform.settings import Settings

_SINCE = click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"])


@click.group()
def events() -> None:
    """See and mend what services tell each other."""


@events.command("list")
def list_topics() -> None:
    """List every topic with who publishes it and who reacts to it."""
    _table(("TOPIC", "PUBLISHED BY", "REACTING", "ALSO AS"), acts.topics())


@events.command()
@click.pass_obj
def lag(settings: Settings) -> None:
    """Show how far each group of reactions is behind each service whose events it reads, and what it tries again."""
    _table(("GROUP", "READS FROM", "WAITING", "OLDEST"), acts.lags(settings))


@events.command()
@click.argument("group")
@click.option(
    "--since", type=_SINCE, help="From this time on (UTC if it names no zone); from the beginning if left out."
)
@click.option("--source", "sources", multiple=True, help="Only what this service has published; may be repeated.")
@click.confirmation_option(prompt="Its reactions will run again on all of this. Go on?")
@click.pass_obj
def rewind(settings: Settings, group: str, since: datetime | None, sources: tuple[str, ...]) -> None:
    """Have GROUP (a service) read events again. Refused where its reactions act on more than its database."""
    rewound = acts.rewind(settings, group, since, sources)
    click.echo(f"{group} reads again from {', '.join(rewound)}.")


@events.command("after-restore")
@click.confirmation_option(prompt="All events that are kept will be read again, and take no effect twice. Go on?")
@click.pass_obj
def after_restore(settings: Settings) -> None:
    """Have every event count as new, once a dump of the database was restored.

    What groups and relays have read is kept as numbers of the old database's transactions: without this, events
    would be skipped.
    """
    acts.reset(settings)
    click.echo("Every event counts as new.")


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
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most so many of each group."
)
@click.pass_obj
def list_dead(settings: Settings, group: str | None, topic: str | None, limit: int) -> None:
    """List the dead letters of GROUP (a service), or of all, the oldest first."""
    heads = ("GROUP", "ID", "TOPIC", "KEY", "PARKED", "TRIES", "ERROR")
    _table(heads, acts.dead_letters(settings, group, topic, limit))


@dead.command()
@_group
@_ids
@_topic
@_all
@click.pass_obj
def replay(settings: Settings, group: str, ids: tuple[UUID, ...], topic: str | None, *, everything: bool) -> None:
    """Have GROUP try dead letters again: those with these IDs, or --all."""
    _require_choice(ids, topic, everything=everything)
    click.echo(f"{acts.replay(settings, group, ids, topic)} messages are tried again.")


@dead.command()
@_group
@_ids
@_topic
@_all
@click.confirmation_option(prompt="They are lost for good. Go on?")
@click.pass_obj
def drop(settings: Settings, group: str, ids: tuple[UUID, ...], topic: str | None, *, everything: bool) -> None:
    """Forget dead letters of GROUP: those with these IDs, or --all."""
    _require_choice(ids, topic, everything=everything)
    click.echo(f"{acts.drop(settings, group, ids, topic)} messages are forgotten.")


def _require_choice(ids: tuple[UUID, ...], topic: str | None, *, everything: bool) -> None:
    if bool(ids) == (everything or topic is not None):
        raise click.UsageError("Name messages by their IDs, or say --topic or --all.")


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    for row in [heads, *rows]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
