"""The one description of the progress service that a process needs."""

from pathlib import Path

from moocflix.contracts.courses import (
    COURSE,
    COURSE_CREATION,
    COURSE_DELETION,
    COURSE_UPDATE,
    LESSON_CREATION,
    LESSON_DELETED,
    LESSON_UPDATED,
    MODULE_CREATION,
    MODULE_DELETED,
    MODULE_UPDATED,
)
from moocflix.contracts.enrollments import ENROLLMENT, STUDENT_ENROLLED, STUDENT_UNENROLLED
from moocflix.contracts.progress import TOPICS
from moocflix.platform.service import Copy, Job, PersonalTable, Reaction, Service
from moocflix.services.progress import clients, jobs, reactions
from moocflix.services.progress.enrollment import sql as enrollment_sql
from moocflix.services.progress.outline import sql as outline_sql
from moocflix.services.progress.outline.model import FORGET_COURSE, RECOUNT_COURSE
from moocflix.services.progress.progress import routes as progress_routes

service = Service(
    name="progress",
    summary="How far each learner has come in each course.",
    migrations=Path(__file__).parent / "migrations",
    routes=progress_routes.routes,
    topics=TOPICS,
    reactions=(
        Reaction(topic=COURSE_CREATION, run=reactions.course_changed),
        Reaction(topic=COURSE_UPDATE, run=reactions.course_changed),
        Reaction(topic=COURSE_DELETION, run=reactions.course_deleted),
        Reaction(topic=MODULE_CREATION, run=reactions.module_changed),
        Reaction(topic=MODULE_UPDATED, run=reactions.module_changed),
        Reaction(topic=MODULE_DELETED, run=reactions.module_changed),
        Reaction(topic=LESSON_CREATION, run=reactions.lesson_changed),
        Reaction(topic=LESSON_UPDATED, run=reactions.lesson_changed),
        Reaction(topic=LESSON_DELETED, run=reactions.lesson_changed),
        Reaction(topic=STUDENT_ENROLLED, run=reactions.enrollment_changed),
        Reaction(topic=STUDENT_UNENROLLED, run=reactions.enrollment_changed),
    ),
    jobs=(
        Job(name=RECOUNT_COURSE, run=jobs.recount_course),
        Job(name=FORGET_COURSE, run=jobs.forget_course),
    ),
    copies=(
        COURSE.copy("course", table="courses_copy", upsert=outline_sql.upsert_course),
        # Modules and lessons come whole, course by course, when a course's progress is first asked for.
        Copy(
            entity="outline",
            owner="courses",
            table="outlines",
            fetch=clients.fetch_outline,
            upsert=reactions.outline_fetched,
        ),
        Copy(
            entity="lesson",
            owner="courses",
            table="lessons_copy",
            fetch=clients.fetch_lesson,
            upsert=reactions.lesson_fetched,
        ),
        Copy(
            entity="lesson published meanwhile",
            owner="courses",
            table="lessons_copy",
            fetch=clients.fetch_published_lesson,
            upsert=reactions.published_lesson_fetched,
        ),
        Copy(
            entity="enrollment",
            owner="enrollments",
            table="enrollments_copy",
            fetch=clients.fetch_enrollment,
            upsert=enrollment_sql.upsert_enrollment,
            pages=ENROLLMENT.pages,
        ),
        Copy(
            entity="enrollment taken up meanwhile",
            owner="enrollments",
            table="enrollments_copy",
            fetch=clients.fetch_taken_up,
            upsert=enrollment_sql.upsert_enrollment,
        ),
    ),
    personal_data=(
        PersonalTable(
            table="course_progress",
            export="""
                SELECT enrollment_id, course_id, completed_lessons, total_lessons, completed_at
                  FROM course_progress WHERE user_id = $1 ORDER BY enrollment_id
            """,
            # The progress of its lessons goes with it.
            erase="DELETE FROM course_progress WHERE user_id = $1",
        ),
        PersonalTable(
            table="lesson_progress",
            export="""
                SELECT l.enrollment_id, l.module_id, l.lesson_id, l.progress, l.time_spent, l.last_accessed
                  FROM lesson_progress AS l JOIN course_progress AS c USING (enrollment_id)
                 WHERE c.user_id = $1 ORDER BY l.enrollment_id, l.last_accessed
            """,
            erase=None,
        ),
        PersonalTable(
            table="enrollments_copy",
            export="SELECT enrollment_id, course_id, status FROM enrollments_copy WHERE user_id = $1 ORDER BY 1",
            erase="DELETE FROM enrollments_copy WHERE user_id = $1 AND status = 'dropped'",
        ),
    ),
)
