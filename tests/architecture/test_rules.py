"""The rules that import-linter cannot say, read from the source itself."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from moocflix.entrypoints import services
from moocflix.platform.service import Service

SOURCE = Path(__file__).parents[2] / "src" / "moocflix"
SERVICES = SOURCE / "services"
FILES = sorted(SOURCE.rglob("*.py"))
ROLES = {"__init__", "routes", "schemas", "operations", "sql", "model"}
SERVICE_ROLES = {"__init__", "service", "settings", "clients", "reactions", "jobs"}
# Where a fault that nobody has foreseen ends, and what becomes of it there.
EDGES = {
    "entrypoints/application.py:_lifespan": "the server is told that it cannot start",
    "entrypoints/cli.py:main": "a sentence for the person who ran the command, where it is one",
    "entrypoints/doctor.py:_finding": "faults are what it looks for",
    "platform/events/inbox.py:take": "the reaction's event is tried again later",
    "platform/events/inbox.py:retry": "the same, after another try",
    "platform/events/inbox.py:_failed": "the same, after a missing copy was filled",
    "platform/events/inbox.py:_again": "the same, where its missing copy could not be",
    "platform/http/edge.py:_outcome": "the caller gets an answer, whatever the handler did",
    "platform/job_runner.py:_try": "the job is tried again later",
}
NAMES_THAT_SAY_NOTHING = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "manager",
    "managers",
    "base",
    "misc",
    "shared",
}


def name_of(file: Path) -> str:
    """The path below src/moocflix, as the tests' ids and messages show it."""
    return str(file.relative_to(SOURCE))


def imports_of(file: Path) -> Iterator[str]:
    """Every absolute module that a file imports, `from x import y` both as x and x.y."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def functions_of(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file, nested ones and methods too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def noun_folders() -> list[Path]:
    """The nouns of the product: folders of a service that hold one of the role files."""
    return sorted({file.parent for file in SERVICES.glob("*/*/*.py") if file.stem in ROLES - {"__init__"}})


def test_no_service_imports_another() -> None:
    crossings = [
        f"{name_of(file)} imports {module}"
        for service in SERVICES.iterdir()
        for file in service.rglob("*.py")
        for module in imports_of(file)
        if module.startswith("moocflix.services.") and module.split(".")[2] != service.name
    ]
    assert crossings == []


def test_every_noun_lists_its_handlers_as_routes() -> None:
    files = SERVICES.glob("*/*/routes.py")
    others = [name_of(file) for file in files if "\nroutes = (" not in file.read_text()]
    assert others == []


def test_a_noun_never_uses_another_nouns_operations_or_routes() -> None:
    crossings = []
    for noun in noun_folders():
        service = f"moocflix.services.{noun.parent.name}"
        others = {f"{service}.{other.name}" for other in noun.parent.iterdir() if other != noun}
        forbidden = {f"{other}.{role}" for other in others for role in ("operations", "routes")}
        crossings += [f"{name_of(f)} imports {m}" for f in noun.glob("*.py") for m in imports_of(f) if m in forbidden]
    assert crossings == []


def test_a_noun_holds_the_five_roles_and_nothing_else() -> None:
    strays = [name_of(file) for noun in noun_folders() for file in noun.rglob("*.py") if file.stem not in ROLES]
    assert strays == []


def test_a_services_root_holds_the_usual_files_and_those_that_the_architecture_names() -> None:
    named = set(re.findall(r"`(\w+/\w+\.py)`", (SOURCE.parents[1] / "ARCHITECTURE.md").read_text()))
    files = [str(file.relative_to(SERVICES)) for file in SERVICES.glob("*/*.py") if file.stem not in SERVICE_ROLES]
    assert sorted(files) == sorted(name for name in named if name.split("/")[0] in {s.name for s in SERVICES.iterdir()})


def test_every_service_has_its_card() -> None:
    for card in SERVICES.glob("*/__init__.py"):
        docstring = ast.get_docstring(ast.parse(card.read_text())) or ""
        for part in ("Tables", "Publishes", "Consumes", "Calls"):
            assert part.lower() in docstring.lower(), f"{name_of(card)} does not say what it {part.lower()}"


@pytest.mark.parametrize("service", services.SERVICES, ids=lambda service: service.name)
def test_a_services_card_names_what_it_publishes_and_consumes(service: Service) -> None:
    docstring = (SERVICES / service.name / "__init__.py").read_text()
    published, consumed = re.split(r"\nConsumes:", docstring.partition("\nPublishes:")[2].partition("\nCalls:")[0])
    topic = re.compile(r"\b[A-Z]\w+-[A-Z]\w+")
    assert sorted(topic.findall(published)) == sorted(topic.name for topic in service.topics)
    assert sorted(topic.findall(consumed)) == sorted({reaction.topic.name for reaction in service.reactions})


@pytest.mark.parametrize("service", services.SERVICES, ids=lambda service: service.name)
def test_each_copy_that_may_be_missing_is_one_that_the_service_keeps(service: Service) -> None:
    calls = [
        node
        for file in (SERVICES / service.name).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "CopyMissing"
    ]
    named = {node.args[0].value for node in calls if isinstance(node.args[0], ast.Constant)}
    assert all(isinstance(node.args[0], ast.Constant) for node in calls)
    assert named <= {copy.entity for copy in service.copies}


def test_a_file_is_named_by_what_is_in_it_and_holds_one_noun() -> None:
    nameless = [name_of(file) for file in FILES if file.stem in NAMES_THAT_SAY_NOTHING]
    long = {name_of(file): lines for file in FILES if (lines := len(file.read_text().splitlines())) > 300}
    assert (nameless, long) == ([], {})


def test_no_function_is_longer_than_a_screen() -> None:
    lengths = {
        f"{name_of(file)}:{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for file in FILES
        for function in functions_of(file)
    }
    assert {name: length for name, length in lengths.items() if length > 50} == {}


def swallows_everything(handler: ast.ExceptHandler) -> bool:
    """Whether it catches what nobody has named, and does not raise it again after its own work."""
    broad = handler.type is None or getattr(handler.type, "id", "") in {"Exception", "BaseException"}
    last = handler.body[-1]
    return broad and not (isinstance(last, ast.Raise) and last.exc is None)


def swallowers(file: Path) -> set[str]:
    """The functions of a file that swallow everything somewhere, as file:function."""
    return {
        f"{name_of(file)}:{function.name}"
        for function in functions_of(file)
        for node in ast.walk(function)
        if isinstance(node, ast.ExceptHandler) and swallows_everything(node)
    }


def test_only_the_edges_of_a_process_catch_what_they_cannot_name() -> None:
    assert {found for file in FILES for found in swallowers(file)} == EDGES.keys()


def test_services_never_commit_nor_hide_from_coverage() -> None:
    forbidden = re.compile(r"\.(commit|rollback)\(\)|pragma: no cover")
    findings = [
        f"{name_of(file)}:{number}: {line.strip()}"
        for file in SERVICES.rglob("*.py")
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if forbidden.search(line)
    ]
    assert findings == []


def test_import_rules_ignore_nothing() -> None:
    rules = (SOURCE.parents[1] / ".importlinter").read_text()
    assert "ignore_imports" not in rules


def test_a_sentence_stands_where_it_is_raised() -> None:
    elsewhere = [
        f"{name_of(file)}:{first.lineno}"
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        for first, then in pairwise(statements_of(node))
        if text_named_by(first) & names_raised_by(then)
    ]
    assert elsewhere == []


def statements_of(node: ast.AST) -> list[ast.stmt]:
    body = getattr(node, "body", [])
    return body if isinstance(body, list) else []


def text_named_by(statement: ast.stmt) -> set[str]:
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.JoinedStr | ast.Constant):
        return set()
    return {target.id for target in statement.targets if isinstance(target, ast.Name)}


def names_raised_by(statement: ast.stmt) -> set[str]:
    if not isinstance(statement, ast.Raise) or not isinstance(statement.exc, ast.Call):
        return set()
    return {argument.id for argument in statement.exc.args if isinstance(argument, ast.Name)}
