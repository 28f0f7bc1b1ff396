"""The statements that count learners' progress anew."""

from datetime import datetime
from uuid import UUID

from moocflix.platform.database.transaction import Tx
from moocflix.services.progress.recount.model import Recounted


async def lock_behind(tx: Tx, *, course_id: UUID, after: UUID | None, at_most: int) -> list[UUID]:
    """Lock the next of those whose counts come from an earlier outline; who has dropped the course is left alone."""
    rows = await tx.fetch(
        """
        SELECT p.enrollment_id
          FROM course_progress AS p JOIN enrollments_copy AS e USING (enrollment_id)
         WHERE p.course_id = $1 AND p.enrollment_id > coalesce($2, '00000000-0000-0000-0000-000000000000'::uuid)
           AND p.outline_revision < (SELECT o.revision FROM outlines AS o JOIN courses_copy AS c USING (course_id)
                                      WHERE o.course_id = $1 AND o.version > 0 AND NOT c.deleted)
           AND e.status <> 'dropped'
         ORDER BY p.enrollment_id LIMIT $3 FOR NO KEY UPDATE OF p
        """,
        course_id,
        after,
        at_most,
    )
    return [row["enrollment_id"] for row in rows]


async def lock_if_behind(tx: Tx, *, enrollment_id: UUID) -> list[UUID]:
    """Lock one enrolment's progress, where its counts come from an earlier outline."""
    rows = await tx.fetch(
        """
        SELECT p.enrollment_id FROM course_progress AS p
         WHERE p.enrollment_id = $1
           AND p.outline_revision < (SELECT o.revision FROM outlines AS o
                                      WHERE o.course_id = p.course_id AND o.version > 0)
           FOR NO KEY UPDATE OF p
        """,
        enrollment_id,
    )
    return [row["enrollment_id"] for row in rows]


async def recount(tx: Tx, *, enrollment_ids: list[UUID], now: datetime) -> list[Recounted]:
    """Count locked enrolments anew by their course's outline; what there is to tell of each, if it has changed.

    A statement of its own after the lock, so that it sees what the last writer did.
    """
    rows = await tx.fetch(
        """
        WITH old AS (
            SELECT enrollment_id, course_id, points, completed_lessons, total_lessons, completed_at
              FROM course_progress WHERE enrollment_id = ANY ($1::uuid[])
        ), counted AS (
            SELECT old.enrollment_id, old.completed_at, o.revision, o.lessons, held.points, held.done,
                   (old.points, old.completed_lessons, old.total_lessons) IS DISTINCT FROM
                   (held.points, held.done, o.lessons) AS differs,
                   old.completed_at IS NULL AND o.lessons > 0 AND held.done = o.lessons AS completes
              FROM old
              JOIN outlines AS o USING (course_id)
             CROSS JOIN LATERAL (
                   SELECT coalesce(sum((p.progress * 100)::integer), 0)::integer AS points,
                          (count(*) FILTER (WHERE p.progress = 100))::integer AS done
                     FROM lesson_progress AS p
                     JOIN lessons_copy AS l USING (lesson_id)
                     JOIN modules_copy AS m ON m.module_id = l.module_id
                    WHERE p.enrollment_id = old.enrollment_id AND l.status = 'published' AND m.status = 'published'
                   ) AS held
        ), written AS (
            UPDATE course_progress AS c
               SET version = c.version + 1, outline_revision = counted.revision, points = counted.points,
                   completed_lessons = counted.done, total_lessons = counted.lessons,
                   completed_at = CASE WHEN counted.completes THEN $2 ELSE c.completed_at END
              FROM counted
             WHERE c.enrollment_id = counted.enrollment_id
            RETURNING c.enrollment_id, c.version, c.user_id, c.course_id, c.completed_at, counted.completes,
                      counted.differs,
                      CASE WHEN c.total_lessons > 0
                           THEN trunc(c.points::numeric / (c.total_lessons * 100), 2) ELSE 0 END AS course_progress
        )
        SELECT w.enrollment_id, w.version, w.user_id, w.course_id, w.completed_at, w.completes, w.course_progress,
               p.module_id, p.lesson_id, p.progress, p.time_spent, p.last_accessed
          FROM written AS w
         CROSS JOIN LATERAL (
               SELECT module_id, lesson_id, progress, time_spent, last_accessed FROM lesson_progress
                WHERE enrollment_id = w.enrollment_id ORDER BY last_accessed DESC, lesson_id LIMIT 1) AS p
         WHERE w.differs
        """,
        enrollment_ids,
        now,
    )
    return [Recounted.of(row) for row in rows]
