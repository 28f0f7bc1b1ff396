"""The one description of the courses service that a process needs."""

from pathlib import Path

from moocflix.contracts.content import TRANSCODING_COMPLETED, VIDEO, VIDEO_DELETED
from moocflix.contracts.courses import TOPICS
from moocflix.contracts.enrollments import ENROLLMENT, STUDENT_ENROLLED, STUDENT_UNENROLLED
from moocflix.contracts.users import USER, USER_CREATION, USER_DEACTIVATION, USER_UPDATE
from moocflix.platform.service import Copy, PersonalTable, Reaction, Service
from moocflix.services.courses import clients, reactions
from moocflix.services.courses.catalogue import routes as catalogue_routes
from moocflix.services.courses.course import routes as course_routes
from moocflix.services.courses.deletion import routes as deletion_routes
from moocflix.services.courses.deletion.operations import DELETE_COURSE
from moocflix.services.courses.enrollment import operations as enrollments
from moocflix.services.courses.instructor import sql as instructor_sql
from moocflix.services.courses.lesson import routes as lesson_routes
from moocflix.services.courses.module import routes as module_routes
from moocflix.services.courses.structure import routes as structure_routes

service = Service(
    name="courses",
    summary="Courses with their modules and lessons, and the catalogue.",
    migrations=Path(__file__).parent / "migrations",
    routes=(
        *catalogue_routes.routes,
        *course_routes.routes,
        *deletion_routes.routes,
        *module_routes.routes,
        *lesson_routes.routes,
        *structure_routes.routes,
    ),
    topics=TOPICS,
    reactions=(
        Reaction(topic=USER_CREATION, run=reactions.user_changed),
        Reaction(topic=USER_UPDATE, run=reactions.user_changed),
        Reaction(topic=USER_DEACTIVATION, run=reactions.user_changed),
        Reaction(topic=STUDENT_ENROLLED, run=reactions.enrollment_changed),
        Reaction(topic=STUDENT_UNENROLLED, run=reactions.enrollment_changed),
        Reaction(topic=TRANSCODING_COMPLETED, run=reactions.video_transcoded),
        Reaction(topic=VIDEO_DELETED, run=reactions.video_deleted),
    ),
    copies=(
        Copy(
            entity="user",
            owner="users",
            table="instructors",
            fetch=USER.fetch,
            upsert=instructor_sql.upsert,
            pages=clients.instructor_page,
        ),
        ENROLLMENT.copy("enrollment", table="enrollments", upsert=enrollments.apply_enrollment),
        Copy(
            entity="video",
            owner="content",
            table="videos",
            fetch=clients.fetch_video,
            upsert=reactions.video_fetched,
            pages=VIDEO.pages,
        ),
    ),
    intents=(DELETE_COURSE,),
    personal_data=(
        PersonalTable(
            table="instructors",
            export="SELECT id, name, avatar_url FROM instructors WHERE id = $1",
            erase="UPDATE instructors SET name = '', avatar_url = NULL WHERE id = $1",
        ),
        PersonalTable(
            table="courses",
            export="""
                SELECT id, title, description, category, status, created_at
                  FROM courses WHERE instructor_id = $1 ORDER BY created_at, id
            """,
            # A course stays for those who are enrolled in it; it names its instructor by id alone.
            erase=None,
        ),
        PersonalTable(
            table="enrollments",
            export="SELECT id, course_id, status FROM enrollments WHERE user_id = $1 ORDER BY id",
            # Those that are not dropped end first, with their events, when users tells of the erasure.
            erase="DELETE FROM enrollments WHERE user_id = $1 AND status = 'dropped'",
        ),
    ),
    setup=clients.set_up,
)
