"""The copy of enrolments, and the number of students that follows from it."""

from moocflix.contracts.enrollments import EnrollmentState
from moocflix.platform.database.transaction import Tx

# The course's row first, as everybody who takes both does. Whoever changes the course does not wait for this.
_LOCK = """
SELECT 1
  FROM (SELECT id FROM courses WHERE id = $1 FOR KEY SHARE) AS course
  JOIN course_figures f ON f.course_id = course.id
   FOR UPDATE OF f
"""

_FOLLOW = """
WITH before AS (
    SELECT status <> 'dropped' AS counts FROM enrollments WHERE id = $1
), after AS (
    INSERT INTO enrollments AS e (id, course_id, user_id, status, version) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status, version = EXCLUDED.version
     WHERE e.version < EXCLUDED.version
    RETURNING status <> 'dropped' AS counts
)
UPDATE course_figures
   SET student_count = student_count + after.counts::integer - coalesce((SELECT counts FROM before), false)::integer
  FROM after
 WHERE course_id = $2 AND after.counts IS DISTINCT FROM coalesce((SELECT counts FROM before), false)
"""


async def lock_figures(tx: Tx, enrollment: EnrollmentState) -> bool:
    """Take turns on what is counted of the enrolment's course; False where the course is gone."""
    return await tx.fetchval(_LOCK, enrollment.course_id) is not None


async def upsert(tx: Tx, enrollment: EnrollmentState) -> None:
    """Keep an enrolment's state where it is newer, and count the student in or out."""
    await tx.execute(
        _FOLLOW,
        enrollment.enrollment_id,
        enrollment.course_id,
        enrollment.user_id,
        enrollment.status,
        enrollment.version,
    )
