"""The statements of enrollments."""

from datetime import datetime
from uuid import UUID

from moocflix.contracts.enrollments import STUDENT_ENROLLED
from moocflix.contracts.progress import CourseCompleted, ProgressUpdated
from moocflix.platform.database.transaction import Reader, Tx
from moocflix.platform.errors import CopyMissing
from moocflix.services.enrollments.enrollment.model import Admission, Enrollment, MyEnrollment, Student

COLUMNS = """e.id, e.version, e.user_id, e.course_id, e.payment_id, e.status, e.enrolled_at, e.progress,
       e.current_lesson_id"""
"""What an Enrollment is made of, of enrollments as e."""

# The whole of enrolling. `course` locks its row against a close, and sees what a close that came first has written.
# `known` stands in for a learner whose first event has not arrived. `taken` decides between two requests of the same
# learner; the event is written after it, with its row locked.
_ENROLL = f"""
WITH course AS (
    SELECT course_id, version, instructor_id, status, price, currency, deleted, closed
      FROM courses_copy WHERE course_id = $2 FOR KEY SHARE
), payment AS (
    SELECT payment_id FROM payments_copy
     WHERE user_id = $3 AND course_id = $2 AND status = 'completed' AND payment_id = coalesce($4, payment_id)
     ORDER BY payment_id LIMIT 1
), judged AS (
    SELECT course_id, coalesce(price, 0) AS price, coalesce(currency, '') AS currency, payment_id,
           CASE WHEN version = 0 THEN 'unknown'
                WHEN deleted THEN 'gone'
                WHEN instructor_id = $3 THEN 'own'
                WHEN status <> 'published' THEN 'draft'
                WHEN EXISTS (SELECT FROM enrollments WHERE user_id = $3 AND course_id = $2 AND status <> 'dropped')
                THEN 'enrolled'
                WHEN closed THEN 'closed'
                WHEN price > 0 AND payment_id IS NULL THEN 'unpaid'
                ELSE 'admitted'
           END AS verdict
      FROM course LEFT JOIN payment ON true
), known AS (
    INSERT INTO users_copy (user_id)
    SELECT $3 FROM judged
     WHERE verdict = 'admitted' AND NOT EXISTS (SELECT FROM users_copy WHERE user_id = $3)
    ON CONFLICT (user_id) DO NOTHING
), taken AS (
    INSERT INTO enrollments AS e (id, user_id, course_id, payment_id, enrolled_at)
    SELECT $1, $3, course_id, payment_id, $5 FROM judged WHERE verdict = 'admitted'
    ON CONFLICT (user_id, course_id) DO UPDATE
       SET version = e.version + 1, payment_id = coalesce(excluded.payment_id, e.payment_id),
           status = CASE WHEN e.completed_at IS NULL THEN 'in_progress' ELSE 'completed' END
     WHERE e.status = 'dropped'
    RETURNING {COLUMNS}
), said AS (
    INSERT INTO outbox (id, topic, key, subject, correlation_id, traceparent, data)
    SELECT $6, $7, id::text, id::text, $8, $9, jsonb_build_object(
               'version', version, 'enrollmentId', id, 'userId', user_id, 'courseId', course_id, 'status', status,
               'paymentId', payment_id,
               'enrolledAt', to_char(enrolled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
      FROM taken
)
SELECT judged.verdict, judged.price, judged.currency,
       {COLUMNS}
  FROM judged LEFT JOIN taken AS e ON true
"""


async def enroll(
    tx: Tx, *, id: UUID, event_id: UUID, user_id: UUID, course_id: UUID, payment_id: UUID | None, now: datetime
) -> Admission:
    """Enrol somebody, with the event, in one statement. Raises CopyMissing where the course's state is not here."""
    trace = tx.trace
    row = await tx.fetchrow_alone(
        _ENROLL,
        id,
        course_id,
        user_id,
        payment_id,
        now,
        event_id,
        STUDENT_ENROLLED.name,
        trace.correlation_id,
        trace.traceparent,
    )
    if row is None or row["verdict"] == "unknown":
        raise CopyMissing("course", course_id)
    return Admission(
        course_id=course_id,
        verdict=row["verdict"],
        price=row["price"],
        currency=row["currency"],
        enrollment=None if row["id"] is None else Enrollment.of(row),
    )


async def drop(tx: Tx, *, id: UUID, user_id: UUID) -> Enrollment | None:
    """Drop somebody's enrolment; None where there is nothing to drop."""
    row = await tx.fetchrow(
        f"""
        UPDATE enrollments AS e SET status = 'dropped', version = e.version + 1
         WHERE id = $1 AND user_id = $2 AND status <> 'dropped'
        RETURNING {COLUMNS}
        """,
        id,
        user_id,
    )
    return None if row is None else Enrollment.of(row)


async def drop_all_of(tx: Tx, *, user_id: UUID) -> list[Enrollment]:
    """Drop every enrolment of a person."""
    rows = await tx.fetch(
        f"""
        UPDATE enrollments AS e SET status = 'dropped', version = e.version + 1
         WHERE user_id = $1 AND status <> 'dropped'
        RETURNING {COLUMNS}
        """,
        user_id,
    )
    return [Enrollment.of(row) for row in rows]


async def remove_all_of(tx: Tx, *, user_id: UUID) -> int:
    """Remove the dropped enrolments of a person; how many."""
    return await tx.execute("DELETE FROM enrollments WHERE user_id = $1 AND status = 'dropped'", user_id)


async def apply_progress(tx: Tx, progress: ProgressUpdated) -> None:
    """Keep how far the course has come, where this is newer than what is known."""
    await tx.execute(
        """
        UPDATE enrollments SET progress = round($2::numeric * 100, 2), current_lesson_id = $3, progress_version = $4
         WHERE id = $1 AND progress_version < $4
        """,
        progress.enrollment_id,
        progress.progress,
        progress.lesson_id,
        progress.version,
    )


async def complete(tx: Tx, completed: CourseCompleted) -> None:
    """Make an enrolment completed, for good; a dropped one will be when it is taken up again.

    Its version stays: no Student-* event tells of this, and copies would be behind for ever. Progress has told of it.
    """
    await tx.execute(
        """
        UPDATE enrollments
           SET completed_at = $2, status = CASE status WHEN 'in_progress' THEN 'completed' ELSE status END
         WHERE id = $1 AND completed_at IS NULL
        """,
        completed.enrollment_id,
        completed.completed_at,
    )


async def enrollment(db: Reader, *, id: UUID) -> Enrollment | None:
    """An enrolment, for whoever may know of all."""
    row = await db.fetchrow(
        f"""
        SELECT {COLUMNS}
          FROM enrollments AS e WHERE id = $1
        """,
        id,
    )
    return None if row is None else Enrollment.of(row)


async def visible_enrollment(db: Reader, *, id: UUID, caller_id: UUID, is_admin: bool) -> Enrollment | None:
    """An enrolment that is the caller's own or in a course of theirs."""
    row = await db.fetchrow(
        f"""
        SELECT {COLUMNS}
          FROM enrollments AS e JOIN courses_copy AS c USING (course_id)
         WHERE e.id = $1 AND (e.user_id = $2 OR c.instructor_id = $2 OR $3)
        """,
        id,
        caller_id,
        is_admin,
    )
    return None if row is None else Enrollment.of(row)


async def find(db: Reader, *, user_id: UUID, course_id: UUID) -> Enrollment | None:
    """The enrolment of a person in a course, a dropped one too."""
    row = await db.fetchrow(
        f"""
        SELECT {COLUMNS}
          FROM enrollments AS e WHERE user_id = $1 AND course_id = $2
        """,
        user_id,
        course_id,
    )
    return None if row is None else Enrollment.of(row)


async def page(db: Reader, *, after: UUID | None, limit: int) -> list[Enrollment]:
    """All enrolments by id, for the filling of copies."""
    rows = await db.fetch(
        f"""
        SELECT {COLUMNS}
          FROM enrollments AS e
         WHERE id > coalesce($1, '00000000-0000-0000-0000-000000000000'::uuid) ORDER BY id LIMIT $2
        """,
        after,
        limit,
    )
    return [Enrollment.of(row) for row in rows]


async def enrollments_of(
    db: Reader,
    *,
    user_id: UUID,
    status: str | None,
    course_id: UUID | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[MyEnrollment]:
    """A person's enrolments, the latest first."""
    moment, id = before or (None, None)
    rows = await db.fetch(
        f"""
        SELECT {COLUMNS}, c.title FROM enrollments AS e JOIN courses_copy AS c USING (course_id)
         WHERE e.user_id = $1 AND ($2::text IS NULL OR e.status = $2) AND ($3::uuid IS NULL OR e.course_id = $3)
           AND (e.enrolled_at, e.id) < (coalesce($4, 'infinity'::timestamptz),
                                        coalesce($5, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
         ORDER BY e.enrolled_at DESC, e.id DESC LIMIT $6
        """,
        user_id,
        status,
        course_id,
        moment,
        id,
        limit,
    )
    return [MyEnrollment.of(row) for row in rows]


async def students_of(
    db: Reader, *, course_id: UUID, user_id: UUID | None, before: tuple[datetime, UUID] | None, limit: int
) -> list[Student]:
    """Who is enrolled in a course, the latest first."""
    moment, id = before or (None, None)
    rows = await db.fetch(
        f"""
        SELECT {COLUMNS}, u.username, u.name, u.avatar_url
          FROM enrollments AS e JOIN users_copy AS u USING (user_id)
         WHERE e.course_id = $1 AND e.status <> 'dropped' AND ($2::uuid IS NULL OR e.user_id = $2)
           AND (e.enrolled_at, e.id) < (coalesce($3, 'infinity'::timestamptz),
                                        coalesce($4, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
         ORDER BY e.enrolled_at DESC, e.id DESC LIMIT $5
        """,
        course_id,
        user_id,
        moment,
        id,
        limit,
    )
    return [Student.of(row) for row in rows]
