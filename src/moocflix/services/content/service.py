"""The one description of the content service that a process needs."""

from datetime import timedelta
from pathlib import Path

from moocflix.contracts.content import TOPICS, TRANSCODING_COMPLETED, TRANSCODING_REQUEST
from moocflix.contracts.courses import (
    COURSE,
    COURSE_CREATION,
    COURSE_DELETION,
    COURSE_UPDATE,
    LESSON,
    LESSON_CREATION,
    LESSON_DELETED,
    LESSON_UPDATED,
    MODULE,
    MODULE_CREATION,
    MODULE_DELETED,
    MODULE_UPDATED,
)
from moocflix.contracts.enrollments import ENROLLMENT, STUDENT_ENROLLED, STUDENT_UNENROLLED
from moocflix.platform.service import Job, PersonalTable, Reaction, Service
from moocflix.services.content import jobs, parts, reactions
from moocflix.services.content.course import sql as course_sql
from moocflix.services.content.enrollment import sql as enrollment_sql
from moocflix.services.content.file import routes as file_routes
from moocflix.services.content.places import REMOVE_OBJECTS
from moocflix.services.content.playback import routes as playback_routes
from moocflix.services.content.transcoding import ATTEMPTS
from moocflix.services.content.video import routes as video_routes
from moocflix.services.content.video.operations import TRANSCODE

service = Service(
    name="content",
    summary="Videos: uploaded, transcoded and played.",
    migrations=Path(__file__).parent / "migrations",
    routes=(*video_routes.routes, *playback_routes.routes, *file_routes.routes),
    topics=TOPICS,
    reactions=(
        Reaction(topic=COURSE_CREATION, run=reactions.course_changed),
        Reaction(topic=COURSE_UPDATE, run=reactions.course_changed),
        Reaction(topic=COURSE_DELETION, run=reactions.course_deleted),
        Reaction(topic=MODULE_CREATION, run=reactions.module_changed),
        Reaction(topic=MODULE_UPDATED, run=reactions.module_changed),
        Reaction(topic=MODULE_DELETED, run=reactions.module_deleted),
        Reaction(topic=LESSON_CREATION, run=reactions.lesson_changed),
        Reaction(topic=LESSON_UPDATED, run=reactions.lesson_changed),
        Reaction(topic=LESSON_DELETED, run=reactions.lesson_deleted),
        Reaction(topic=STUDENT_ENROLLED, run=reactions.enrollment_changed),
        Reaction(topic=STUDENT_UNENROLLED, run=reactions.enrollment_changed),
        Reaction(topic=TRANSCODING_REQUEST, run=reactions.transcoding_requested),
        Reaction(topic=TRANSCODING_COMPLETED, run=reactions.transcoding_completed),
    ),
    jobs=(
        # A short lease: a transcoding whose worker was killed is taken up again soon.
        Job(name=TRANSCODE, run=jobs.transcode, attempts=ATTEMPTS, lease=timedelta(seconds=15)),
        Job(name=REMOVE_OBJECTS, run=jobs.remove_objects, attempts=20),
        Job(name="give-up-uploads", run=jobs.give_up_uploads, every=timedelta(minutes=5)),
        Job(name="give-up-transcodings", run=jobs.give_up_transcodings, every=timedelta(minutes=5)),
    ),
    copies=(
        COURSE.copy("course", table="courses_copy", upsert=course_sql.upsert_course),
        MODULE.copy("module", table="modules_copy", upsert=course_sql.upsert_module),
        LESSON.copy("lesson", table="lessons_copy", upsert=course_sql.upsert_lesson),
        ENROLLMENT.copy("enrollment", table="enrollments_copy", upsert=enrollment_sql.upsert_enrollment),
    ),
    personal_data=(
        PersonalTable(
            table="videos",
            export="SELECT id, course_id, title, status, created_at FROM videos WHERE uploaded_by = $1 ORDER BY id",
            # A video belongs to its course; the uploader's id says nothing once users has forgotten them.
            erase=None,
        ),
        PersonalTable(
            table="transcodings",
            export="SELECT request_id, video_id, requested_at FROM transcodings WHERE requested_by = $1 ORDER BY 1",
            erase=None,
        ),
        PersonalTable(
            table="uploads",
            export="SELECT id, course_id, started_at FROM uploads WHERE user_id = $1 ORDER BY id",
            erase=None,
        ),
        PersonalTable(
            table="enrollments_copy",
            export="SELECT enrollment_id, course_id, active FROM enrollments_copy WHERE user_id = $1 ORDER BY 1",
            erase="DELETE FROM enrollments_copy WHERE user_id = $1 AND NOT active",
        ),
    ),
    setup=parts.set_up,
    # Its reactions delete files and begin transcodings.
    rewindable=False,
)
