"""The statements of progress."""

from uuid import UUID

from moocflix.contracts.progress import COURSE_COMPLETED, PROGRESS_UPDATED
from moocflix.platform.database.transaction import Reader, Tx
from moocflix.services.progress.progress.model import CourseProgress, Lesson, Noted, Update, Verdict

# The whole of an update. `place` judges it by the copies and holds the rows of progress as they were when the
# statement began; `weighed` and `reckoned` add the update to them. `moved` writes the course's row only over the
# version that was seen: of two updates at once the second waits, finds that it was overtaken, does nothing at all and
# is tried again. So the last two lessons of a course, done at once, complete it once. What counts is summed up anew
# (`others`) only where it has changed since the row was written; else an update costs the same however large the
# course.
_UPDATE = """
WITH place AS (
    SELECT e.user_id, e.course_id, o.revision, o.lessons, seen.version AS seen_version, seen.outline_revision,
           seen.points AS seen_points, seen.completed_lessons AS seen_done, seen.completed_at AS seen_completed_at,
           coalesce(held.progress, 0) AS held, greatest(held.progress, $5) AS progress,
           coalesce(l.status = 'published' AND m.status = 'published', false) AS counts,
           CASE WHEN e.user_id <> $2 THEN 'stranger'
                WHEN e.status = 'dropped' THEN 'dropped'
                WHEN coalesce(o.version, 0) = 0 THEN 'outline_unknown'
                WHEN coalesce(l.version, 0) = 0 THEN 'lesson_unknown'
                WHEN l.course_id <> e.course_id OR l.status = 'deleted' THEN 'lesson'
                WHEN (l.status = 'published' AND m.status = 'published') IS NOT TRUE AND held.progress IS NULL
                THEN 'unpublished'
                WHEN l.module_id <> $3 THEN 'module'
                ELSE 'noted'
           END AS verdict
      FROM enrollments_copy AS e
      LEFT JOIN outlines AS o USING (course_id)
      LEFT JOIN lessons_copy AS l ON l.lesson_id = $4
      LEFT JOIN modules_copy AS m ON m.module_id = l.module_id
      LEFT JOIN course_progress AS seen ON seen.enrollment_id = $1
      LEFT JOIN lesson_progress AS held ON held.enrollment_id = $1 AND held.lesson_id = $4
     WHERE e.enrollment_id = $1 AND e.version > 0
), weighed AS (
    SELECT place.user_id, place.course_id, place.revision, place.lessons, place.progress, place.seen_completed_at,
           coalesce(place.seen_version, 0) + 1 AS version,
           coalesce(others.points, place.seen_points - CASE WHEN counts THEN (held * 100)::integer ELSE 0 END, 0)
           + CASE WHEN counts THEN (progress * 100)::integer ELSE 0 END AS points,
           coalesce(others.done, place.seen_done - CASE WHEN counts AND held = 100 THEN 1 ELSE 0 END, 0)
           + CASE WHEN counts AND progress = 100 THEN 1 ELSE 0 END AS done
      FROM place
      LEFT JOIN LATERAL (
           SELECT coalesce(sum((p.progress * 100)::integer), 0)::integer AS points,
                  (count(*) FILTER (WHERE p.progress = 100))::integer AS done
             FROM lesson_progress AS p
             JOIN lessons_copy AS l USING (lesson_id)
             JOIN modules_copy AS m ON m.module_id = l.module_id
            WHERE p.enrollment_id = $1 AND p.lesson_id <> $4 AND l.status = 'published' AND m.status = 'published'
           ) AS others ON place.outline_revision <> place.revision
     WHERE place.verdict = 'noted'
), reckoned AS (
    SELECT user_id, course_id, revision, lessons, progress, points, done, version,
           coalesce(seen_completed_at, CASE WHEN lessons > 0 AND done = lessons THEN $7::timestamptz END)
               AS completed_at,
           seen_completed_at IS NULL AND lessons > 0 AND done = lessons AS completes,
           CASE WHEN lessons > 0 THEN trunc(points::numeric / (lessons * 100), 2) ELSE 0 END AS course_progress
      FROM weighed
), moved AS (
    INSERT INTO course_progress AS c (enrollment_id, version, user_id, course_id, outline_revision, points,
                                      completed_lessons, total_lessons, completed_at)
    SELECT $1, version, user_id, course_id, revision, points, done, lessons, completed_at FROM reckoned
    ON CONFLICT (enrollment_id) DO UPDATE
       SET version = excluded.version, outline_revision = excluded.outline_revision, points = excluded.points,
           completed_lessons = excluded.completed_lessons, total_lessons = excluded.total_lessons,
           completed_at = excluded.completed_at
     WHERE c.version = excluded.version - 1
    RETURNING version
), noted AS (
    INSERT INTO lesson_progress AS p (enrollment_id, lesson_id, id, module_id, progress, time_spent, last_accessed)
    SELECT $1, $4, $8, $3, reckoned.progress, $6, $7 FROM reckoned JOIN moved USING (version)
    ON CONFLICT (enrollment_id, lesson_id) DO UPDATE
       SET module_id = excluded.module_id, progress = excluded.progress,
           time_spent = least(p.time_spent::bigint + excluded.time_spent, 2147483647)::integer,
           last_accessed = greatest(p.last_accessed, excluded.last_accessed)
    RETURNING id, progress, time_spent, last_accessed
), said AS (
    INSERT INTO outbox (id, topic, key, subject, correlation_id, traceparent, data)
    SELECT $9::uuid, $11, $1::text, $1::text, $13, $14, jsonb_build_object(
               'version', reckoned.version, 'enrollmentId', $1, 'userId', reckoned.user_id,
               'courseId', reckoned.course_id, 'moduleId', $3, 'lessonId', $4,
               'lessonProgress', (noted.progress / 100)::float8, 'timeSpent', noted.time_spent,
               'progress', (reckoned.course_progress / 100)::float8,
               'lastAccessed', to_char(noted.last_accessed AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
      FROM noted CROSS JOIN reckoned
    UNION ALL
    SELECT $10::uuid, $12, $1::text, $1::text, $13, $14, jsonb_build_object(
               'version', reckoned.version, 'enrollmentId', $1, 'userId', reckoned.user_id,
               'courseId', reckoned.course_id,
               'completedAt', to_char(reckoned.completed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
      FROM noted CROSS JOIN reckoned WHERE reckoned.completes
)
SELECT place.verdict, place.course_id, noted.id, noted.progress, noted.time_spent, reckoned.course_progress,
       reckoned.done AS completed_lessons, reckoned.lessons AS total_lessons, reckoned.completed_at
  FROM place LEFT JOIN reckoned ON true LEFT JOIN noted ON true
"""


async def note(
    tx: Tx, update: Update, *, caller_id: UUID, new_id: UUID, event_ids: tuple[UUID, UUID]
) -> tuple[Verdict, UUID, Noted | None] | None:
    """Note what a learner did, with its events, in one statement.

    What comes back is the verdict, the course and where it has led: nowhere, with the verdict "noted", where another
    update of the same enrolment came between. None where there is no copy of the enrolment.
    """
    trace = tx.trace
    row = await tx.fetchrow_alone(
        _UPDATE,
        update.enrollment_id,
        caller_id,
        update.module_id,
        update.lesson_id,
        update.percent,
        update.seconds,
        update.at,
        new_id,
        *event_ids,
        PROGRESS_UPDATED.name,
        COURSE_COMPLETED.name,
        trace.correlation_id,
        trace.traceparent,
    )
    if row is None:
        return None
    return row["verdict"], row["course_id"], None if row["id"] is None else Noted.of(row)


async def lock(tx: Tx, *, enrollment_id: UUID) -> None:
    """Wait until nobody else writes this enrolment's progress, and keep them out until the commit."""
    await tx.execute("SELECT FROM course_progress WHERE enrollment_id = $1 FOR NO KEY UPDATE", enrollment_id)


async def course_progress(db: Reader, *, enrollment_id: UUID, course_id: UUID) -> CourseProgress:
    """How far an enrolment has come, lesson by lesson, by what counts at this moment."""
    rows = await db.fetch(
        """
        SELECT l.lesson_id, l.module_id, l.title, p.id, coalesce(p.progress, 0) AS progress,
               coalesce(p.time_spent, 0) AS time_spent, p.last_accessed,
               (SELECT completed_at FROM course_progress WHERE enrollment_id = $1) AS completed_at
          FROM lessons_copy AS l
          JOIN modules_copy AS m USING (module_id)
          LEFT JOIN lesson_progress AS p ON p.enrollment_id = $1 AND p.lesson_id = l.lesson_id
         WHERE l.course_id = $2 AND l.status = 'published' AND m.status = 'published'
         ORDER BY m.position, m.module_id, l.position, l.lesson_id
        """,
        enrollment_id,
        course_id,
    )
    return CourseProgress(
        enrollment_id=enrollment_id,
        course_id=course_id,
        completed_at=rows[0]["completed_at"] if rows else None,
        lessons=[Lesson.of(row) for row in rows],
    )


async def remove_some(tx: Tx, *, course_id: UUID, at_most: int) -> int:
    """Remove some of the progress in a course, with that of its lessons; how many enrolments' that was."""
    return await tx.execute(
        """
        DELETE FROM course_progress
         WHERE enrollment_id IN (SELECT enrollment_id FROM course_progress
                                  WHERE course_id = $1 ORDER BY enrollment_id LIMIT $2 FOR UPDATE)
        """,
        course_id,
        at_most,
    )
