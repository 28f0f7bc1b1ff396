"""The one description of the enrollments service that a process needs."""

from pathlib import Path

from moocflix.contracts.courses import COURSE, COURSE_CREATION, COURSE_DELETION, COURSE_UPDATE
from moocflix.contracts.enrollments import TOPICS
from moocflix.contracts.progress import COURSE_COMPLETED, PROGRESS_UPDATED
from moocflix.contracts.users import USER, USER_CREATION, USER_DEACTIVATION, USER_UPDATE
from moocflix.platform.service import Copy, Job, PersonalTable, Reaction, Service
from moocflix.services.enrollments import clients, jobs, reactions
from moocflix.services.enrollments.closing import operations as closing
from moocflix.services.enrollments.closing import routes as closing_routes
from moocflix.services.enrollments.course import sql as course_sql
from moocflix.services.enrollments.enrollment import routes as enrollment_routes
from moocflix.services.enrollments.learner import sql as learner_sql

service = Service(
    name="enrollments",
    summary="Who is enrolled in which course.",
    migrations=Path(__file__).parent / "migrations",
    routes=(*enrollment_routes.routes, *closing_routes.routes),
    topics=TOPICS,
    reactions=(
        Reaction(topic=COURSE_CREATION, run=reactions.course_changed),
        Reaction(topic=COURSE_UPDATE, run=reactions.course_changed),
        Reaction(topic=COURSE_DELETION, run=reactions.course_deleted),
        Reaction(topic=USER_CREATION, run=reactions.user_changed),
        Reaction(topic=USER_UPDATE, run=reactions.user_changed),
        Reaction(topic=USER_DEACTIVATION, run=reactions.user_changed),
        Reaction(topic=PROGRESS_UPDATED, run=reactions.progress_updated),
        Reaction(topic=COURSE_COMPLETED, run=reactions.course_completed),
    ),
    jobs=(Job(name=closing.FORGET_COURSE, run=jobs.forget_course),),
    copies=(
        COURSE.copy("course", table="courses_copy", upsert=course_sql.upsert_course),
        Copy(
            entity="course published meanwhile",
            owner="courses",
            table="courses_copy",
            fetch=clients.fetch_published,
            upsert=course_sql.upsert_course,
        ),
        USER.copy("user", table="users_copy", upsert=learner_sql.upsert_user),
    ),
    personal_data=(
        PersonalTable(
            table="enrollments",
            export="""
                SELECT id, course_id, payment_id, status, enrolled_at, completed_at, progress, current_lesson_id
                  FROM enrollments WHERE user_id = $1 ORDER BY enrolled_at, id
            """,
            # Those that are not dropped end first, with their events, when users tells of the erasure.
            erase="DELETE FROM enrollments WHERE user_id = $1 AND status = 'dropped'",
        ),
        PersonalTable(
            table="users_copy",
            export="SELECT user_id, username, name, avatar_url, state FROM users_copy WHERE user_id = $1",
            erase="UPDATE users_copy SET username = '', name = '', avatar_url = NULL WHERE user_id = $1",
        ),
        PersonalTable(
            table="payments_copy",
            export="SELECT payment_id, course_id, status FROM payments_copy WHERE user_id = $1 ORDER BY payment_id",
            # Who took the payment has to keep it; here it has ids alone.
            erase=None,
        ),
    ),
)
