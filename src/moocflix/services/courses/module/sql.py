"""Modules in the database. Whoever changes one holds the course's row."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from moocflix.platform.database.transaction import Reader, Tx
from moocflix.services.courses.course.model import Viewer
from moocflix.services.courses.module.model import Module, ModuleEntry

_COLUMNS = "m.id, m.course_id, m.title, m.position, m.status, m.version, m.created_at, m.updated_at"

# A course without modules gives one row without a module: it is there, and empty.
_LIST = f"""
SELECT {_COLUMNS},
       (SELECT count(*) FROM lessons l
         WHERE l.module_id = m.id AND (l.status = 'published' OR c.instructor_id = $2 OR $3)) AS lesson_count
  FROM courses c
  LEFT JOIN modules m ON m.course_id = c.id AND m.position > $4
                     AND (m.status = 'published' OR c.instructor_id = $2 OR $3)
 WHERE c.id = $1 AND (c.status = 'published' OR c.instructor_id = $2 OR $3)
 ORDER BY m.position
 LIMIT $5
"""

_VISIBLE = f"""
SELECT {_COLUMNS},
       (SELECT count(*) FROM lessons l
         WHERE l.module_id = m.id AND (l.status = 'published' OR c.instructor_id = $3 OR $4)) AS lesson_count
  FROM modules m
  JOIN courses c ON c.id = m.course_id
 WHERE m.id = $2 AND m.course_id = $1
   AND (c.status = 'published' AND m.status = 'published' OR c.instructor_id = $3 OR $4)
"""

_ONE = f"SELECT {_COLUMNS} FROM modules m WHERE m.id = $1"

_FIND = f"SELECT {_COLUMNS} FROM modules m WHERE m.course_id = $1 AND m.id = $2"

_OF_COURSE = f"SELECT {_COLUMNS} FROM modules m WHERE m.course_id = $1 ORDER BY m.position"

_PAGE = f"SELECT {_COLUMNS} FROM modules m WHERE $1::uuid IS NULL OR m.id > $1 ORDER BY m.id LIMIT $2"

_COUNT = "SELECT count(*) FROM modules WHERE course_id = $1"

_INSERT = """
INSERT INTO modules (id, course_id, title, position, status, version, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

_UPDATE = "UPDATE modules SET title = $2, position = $3, status = $4, version = $5, updated_at = $6 WHERE id = $1"

_SHIFT = f"""
UPDATE modules m
   SET position = m.position + $4, version = m.version + 1, updated_at = $5
 WHERE m.course_id = $1 AND m.position BETWEEN $2 AND $3
RETURNING {_COLUMNS}
"""

_ARRANGE = f"""
UPDATE modules m
   SET position = wanted.position, version = m.version + 1, updated_at = $4
  FROM unnest($2::uuid[], $3::integer[]) AS wanted (id, position)
 WHERE m.course_id = $1 AND m.id = wanted.id AND m.position <> wanted.position
RETURNING {_COLUMNS}
"""

_DELETE = "DELETE FROM modules WHERE id = $1"


async def visible(
    db: Reader, *, course_id: UUID, viewer: Viewer, after: int, limit: int
) -> Sequence[ModuleEntry] | None:
    """The modules after a position that the viewer may see, in order; None where the course is hidden from them."""
    rows = await db.fetch(_LIST, course_id, viewer.id, viewer.is_admin, after, limit)
    return [ModuleEntry(**row) for row in rows if row["id"]] if rows else None


async def visible_one(db: Reader, *, course_id: UUID, module_id: UUID, viewer: Viewer) -> ModuleEntry | None:
    """A module, where the viewer may see it."""
    row = await db.fetchrow(_VISIBLE, course_id, module_id, viewer.id, viewer.is_admin)
    return None if row is None else ModuleEntry(**row)


async def module(db: Reader, *, module_id: UUID) -> Module | None:
    """A module, whoever asks: for other services."""
    row = await db.fetchrow(_ONE, module_id)
    return None if row is None else Module(**row)


async def find(tx: Tx, *, course_id: UUID, module_id: UUID) -> Module | None:
    """A module of this course, for a change."""
    row = await tx.fetchrow(_FIND, course_id, module_id)
    return None if row is None else Module(**row)


async def of_course(db: Reader, *, course_id: UUID) -> Sequence[Module]:
    """A course's modules in order, drafts too."""
    return [Module(**row) for row in await db.fetch(_OF_COURSE, course_id)]


async def page(db: Reader, *, after: UUID | None, limit: int) -> Sequence[Module]:
    """Modules of all courses by id: for other services."""
    return [Module(**row) for row in await db.fetch(_PAGE, after, limit)]


async def count(tx: Tx, *, course_id: UUID) -> int:
    """How many modules the course has, drafts too."""
    number: int = await tx.fetchval(_COUNT, course_id)
    return number


async def insert(tx: Tx, *, module: Module) -> None:
    """Write a new module."""
    await tx.execute(
        _INSERT,
        module.id,
        module.course_id,
        module.title,
        module.position,
        module.status,
        module.version,
        module.created_at,
        module.updated_at,
    )


async def update(tx: Tx, *, module: Module) -> None:
    """Write a changed module."""
    await tx.execute(
        _UPDATE, module.id, module.title, module.position, module.status, module.version, module.updated_at
    )


async def shift(tx: Tx, *, course_id: UUID, first: int, last: int, by: int, now: datetime) -> Sequence[Module]:
    """Move the modules from one position to another up or down; those moved."""
    rows = await tx.fetch(_SHIFT, course_id, first, last, by, now)
    return [Module(**row) for row in rows]


async def arrange(tx: Tx, *, course_id: UUID, positions: dict[UUID, int], now: datetime) -> Sequence[Module]:
    """Put each module at its position; those that were elsewhere."""
    rows = await tx.fetch(_ARRANGE, course_id, list(positions), list(positions.values()), now)
    return [Module(**row) for row in rows]


async def delete(tx: Tx, *, module_id: UUID) -> None:
    """Delete a module that has no lessons any more."""
    await tx.execute(_DELETE, module_id)
