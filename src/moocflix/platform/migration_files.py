"""The files of migrations: how they are called, and what they must state."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from moocflix.platform.errors import OperatorError

PLATFORM = Path(__file__).parent / "migrations_sql"
_FILE = re.compile(r"(?P<number>\d{4})_(?P<phase>pre|post)_[a-z0-9_]+\.sql")
_OLDEST = re.compile(r"^-- oldest-code: *(\d+\.\d+\.\d+) *$", re.MULTILINE)


class MigrationError(OperatorError):
    """The database cannot be brought up to this code."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `name` is unique in its schema."""

    name: str
    phase: str
    sql: str
    checksum: str
    oldest_code: str | None


def read_migrations(folder: Path, *, prefix: str = "") -> list[Migration]:
    """A folder's migrations in order. Raises MigrationError for a file that breaks the rules."""
    migrations = [_read(path, prefix) for path in sorted(folder.glob("*.sql"))]
    numbers = [migration.name.removeprefix(prefix)[:4] for migration in migrations]
    for number in numbers:
        if numbers.count(number) > 1:
            raise MigrationError(f"Two migrations in {folder} have the number {number}.")
    return migrations


def _read(path: Path, prefix: str) -> Migration:
    matched = _FILE.fullmatch(path.name)
    if matched is None:
        raise MigrationError(f"Migration {path} must be called NNNN_pre_name.sql or NNNN_post_name.sql.")
    sql = path.read_text()
    oldest = _OLDEST.search(sql)
    if oldest is None and matched["phase"] == "post":
        raise MigrationError(f"Migration {path} must state the oldest code that works after it: -- oldest-code: 1.2.3")
    checksum = hashlib.sha256(sql.encode()).hexdigest()
    return Migration(f"{prefix}{path.name}", matched["phase"], sql, checksum, oldest[1] if oldest else None)
