"""What progress asks of other services, where a copy is missing."""

from uuid import UUID

from moocflix.contracts.courses import LESSON, MODULE, CourseOutline, LessonState
from moocflix.contracts.enrollments import ENROLLMENT, EnrollmentState
from moocflix.platform.service import ServiceContext
from moocflix.services.progress.enrollment.model import EnrollmentDropped
from moocflix.services.progress.outline.model import Outline, PublishedLesson
from moocflix.services.progress.progress.model import LessonNotInCourse, ProgressNotFound


async def fetch_outline(context: ServiceContext, course_id: UUID) -> Outline | None:
    """A course with all its modules and lessons; None where there is no such course."""
    outline = await context.http("courses").find(f"/internal/courses/{course_id}/outline", reply=CourseOutline)
    if outline is None:
        return None
    return Outline(
        version=outline.course.version, course=outline.course, modules=outline.modules, lessons=outline.lessons
    )


async def fetch_lesson(context: ServiceContext, lesson_id: UUID) -> LessonState:
    """A lesson's state. Raises Invalid where there is no such lesson: then the learner's course has none either."""
    lesson = await LESSON.fetch(context, lesson_id)
    if lesson is None:
        raise LessonNotInCourse
    return lesson


async def fetch_published_lesson(context: ServiceContext, lesson_id: UUID) -> PublishedLesson:
    """A lesson that the copies do not have as published. Raises Invalid where its owner does not have it so, either."""
    lesson = await fetch_lesson(context, lesson_id)
    module = await MODULE.fetch(context, lesson.module_id) if lesson.status == "published" else None
    if module is None or module.status != "published":
        raise LessonNotInCourse
    return PublishedLesson(version=lesson.version, module=module, lesson=lesson)


async def fetch_enrollment(context: ServiceContext, enrollment_id: UUID) -> EnrollmentState:
    """An enrolment's state. Raises NotFound where there is no such enrolment."""
    enrollment = await ENROLLMENT.fetch(context, enrollment_id)
    if enrollment is None:
        raise ProgressNotFound
    return enrollment


async def fetch_taken_up(context: ServiceContext, enrollment_id: UUID) -> EnrollmentState:
    """The state of an enrolment that the copy has as dropped. Raises Conflict where its owner has it so, too."""
    enrollment = await fetch_enrollment(context, enrollment_id)
    if enrollment.status == "dropped":
        raise EnrollmentDropped
    return enrollment
