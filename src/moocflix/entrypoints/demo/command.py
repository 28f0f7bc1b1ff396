"""The command `moocflix demo`."""

import os
from collections.abc import Callable

import click
import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from moocflix.entrypoints.demo import catalogue, learning, teaching
from moocflix.entrypoints.demo.catalogue import Catalogue, Learner
from moocflix.entrypoints.demo.client import Caller
from moocflix.entrypoints.demo.people import Account, Door
from moocflix.entrypoints.demo.teaching import Desk

PASSWORD = "learning-never-stops"  # noqa: S105  # pragma: allowlist secret - of people that do not exist


@click.command()
@click.option("--url", help="Where the platform is; http://127.0.0.1:$MOOCFLIX_PORT (8000) if not given.")
@click.option("--password", default=PASSWORD, help="The password of all demo accounts.", show_default=True)
@click.option("--film-seconds", default=14, type=click.IntRange(1, 600), help="How long films last.", show_default=True)
def demo(url: str | None, password: str, film_seconds: int) -> None:
    """Fill a running platform with people, courses, films and progress.

    Everything goes through the platform's own API. It is safe to run twice: what is there already is found and left.
    """
    console = Console(soft_wrap=True, highlight=False)
    address = url or f"http://127.0.0.1:{os.environ.get('MOOCFLIX_PORT', '8000')}"
    with httpx.Client(base_url=address, timeout=httpx.Timeout(60)) as http, _progress(console) as progress:
        Filling(http, progress, password=password, seconds=film_seconds).run(catalogue.read())
    console.print(f"The catalogue is there: {address}/api/v1/courses lists it, {address}/docs browses the API.")
    console.print(f"Everybody's password is {password}", markup=False)
    console.print(
        "An instructor: grace.okafor@demo.moocflix.example", "A learner: ada.mensah@demo.moocflix.example", sep="\n"
    )


class Filling:
    """One run, with a bar for each part of it."""

    def __init__(self, http: httpx.Client, progress: Progress, *, password: str, seconds: int) -> None:
        self._progress = progress
        self._seconds = seconds
        self._door = Door(Caller(http, waits=self._waits), password=password)

    def run(self, plan: Catalogue) -> None:
        """Everything, in the order in which it would happen."""
        people = self._people(plan)
        courses = self._courses(plan, people)
        self._learning(plan.learners, people, courses)
        self._films(plan, people, courses)

    def _people(self, plan: Catalogue) -> dict[str, Account]:
        step = self._bar("People", len(plan.instructors) + len(plan.learners))
        roles = [(person, "instructor") for person in plan.instructors]
        roles += [(person, "student") for person in plan.learners]
        people = {}
        for person, role in roles:
            people[person.email] = self._door.open(person, role)
            step(person.name)
        return people

    def _courses(self, plan: Catalogue, people: dict[str, Account]) -> dict[str, str]:
        step = self._bar("Lessons", sum(len(module.lessons) for one in plan.courses for module in one.modules))
        desks = {
            one.email: Desk(account=people[one.email], seconds=self._seconds, step=step) for one in plan.instructors
        }
        return {one.title: desks[one.instructor].teach(one) for one in plan.courses}

    def _learning(self, learners: list[Learner], people: dict[str, Account], courses: dict[str, str]) -> None:
        step = self._bar("Learning", sum(len(learner.courses) for learner in learners))
        for learner in learners:
            account = people[learner.email]
            for title, done in learner.courses.items():
                learning.learn(account, course_id=courses[title], done=done)
                step(f"{learner.name}: {title}")

    def _films(self, plan: Catalogue, people: dict[str, Account], courses: dict[str, str]) -> None:
        shown = [one for one in plan.courses if any(lesson.clip for module in one.modules for lesson in module.lessons)]
        step = self._bar("Films", len(shown))
        for one in shown:
            account = people[one.instructor]
            teaching.wait_for_films(account, courses[one.title], says=lambda part: self._say(f"{part:.0%} transcoded"))
            step(one.title)

    def _bar(self, name: str, total: int) -> Callable[[str], None]:
        self._task = self._progress.add_task(name, total=total, note="")

        def step(note: str) -> None:
            self._progress.update(self._task, advance=1, note=note)

        return step

    def _say(self, note: str) -> None:
        self._progress.update(self._task, note=note)

    def _waits(self, seconds: int) -> None:
        self._say(f"the platform asks to wait {seconds} s")


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TextColumn("{task.fields[note]}", style="dim"), console=console)
