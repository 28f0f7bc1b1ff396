"""The documents say what the code does."""

import re
from pathlib import Path

from moocflix.entrypoints.cli import moocflix
from moocflix.entrypoints.services import SERVICES
from tests.contracts import configuration_page

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))


def test_every_setting_says_what_it_is_for() -> None:
    assert configuration_page.undocumented() == []


def test_the_configuration_page_is_that_of_the_code() -> None:
    assert configuration_page.PAGE.read_text(encoding="utf-8") == configuration_page.page(), "run: make docs"


def test_every_variable_that_a_howto_or_the_code_names_is_on_the_configuration_page() -> None:
    howtos = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "docs" / "howto").glob("*.md"))
    code = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "src").rglob("*.py"))
    services = "|".join(service.name.upper() for service in SERVICES)
    named = {
        *re.findall(
            r"MOOCFLIX_[A-Z0-9_]+(?:<SERVICE>_[A-Z_]+)?",
            re.sub(rf"_DATABASE_({services})_", "_DATABASE_<SERVICE>_", howtos),
        ),
        *re.findall(r"OTEL_[A-Z_]+", code),
    }
    page = configuration_page.page()
    # A name that a page cuts short, such as MOOCFLIX_SECRET_…, stands for all that begin so.
    assert [name for name in sorted(named) if f"`{name}{'' if name.endswith('_') else '`'}" not in page] == []


def test_every_link_between_pages_leads_somewhere() -> None:
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert dead == []


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in folder.glob("0*.md") if f"({page.name})" not in index] == []


def test_every_target_of_make_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)
    assert [target for target in targets if not re.search(rf"^{target}:.*## ", makefile, re.MULTILINE)] == []


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in moocflix.commands if f"`moocflix {name}" not in readme] == []
