"""The statements of a closed course, and of those who were in it."""

from uuid import UUID

from moocflix.platform.database.transaction import Tx
from moocflix.services.enrollments.enrollment.model import Enrollment
from moocflix.services.enrollments.enrollment.sql import COLUMNS


async def lock(tx: Tx, *, course_id: UUID) -> None:
    """Shut out everybody who enrols at this moment: those who came first have committed when this returns."""
    await tx.execute("INSERT INTO courses_copy (course_id) VALUES ($1) ON CONFLICT (course_id) DO NOTHING", course_id)
    await tx.execute("SELECT FROM courses_copy WHERE course_id = $1 FOR UPDATE", course_id)


async def set_closed(tx: Tx, *, course_id: UUID, closed: bool) -> None:
    """Let nobody in any more, or let them in again."""
    await tx.execute("UPDATE courses_copy SET closed = $2 WHERE course_id = $1", course_id, closed)


async def drop_some(tx: Tx, *, course_id: UUID, at_most: int) -> list[Enrollment]:
    """Drop some of those who are in a course; none are left where none come back."""
    rows = await tx.fetch(
        f"""
        UPDATE enrollments AS e SET status = 'dropped', version = version + 1
          FROM (SELECT id FROM enrollments
                 WHERE course_id = $1 AND status <> 'dropped' ORDER BY id LIMIT $2 FOR UPDATE) AS few
         WHERE e.id = few.id
        RETURNING {COLUMNS}
        """,
        course_id,
        at_most,
    )
    return [Enrollment.of(row) for row in rows]


async def remove_some(tx: Tx, *, course_id: UUID, at_most: int) -> int:
    """Remove some of a course's dropped enrolments; how many."""
    return await tx.execute(
        """
        DELETE FROM enrollments
         WHERE id IN (SELECT id FROM enrollments
                       WHERE course_id = $1 AND status = 'dropped' ORDER BY id LIMIT $2 FOR UPDATE)
        """,
        course_id,
        at_most,
    )


async def anybody_in(tx: Tx, *, course_id: UUID) -> bool:
    """Whether somebody is enrolled: in progress or completed."""
    return bool(
        await tx.fetchval(
            "SELECT EXISTS (SELECT FROM enrollments WHERE course_id = $1 AND status <> 'dropped')", course_id
        )
    )
