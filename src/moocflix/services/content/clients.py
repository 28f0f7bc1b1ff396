"""What content asks of other services: courses, lessons and enrolments whose copies are missing, and pages of all."""

from collections.abc import Sequence
from uuid import UUID

from moocflix.contracts.courses import CoursePage, CourseState, LessonPage, LessonState, ModulePage, ModuleState
from moocflix.contracts.enrollments import EnrollmentFound, EnrollmentPage, EnrollmentState
from moocflix.platform.service import ServiceContext


async def fetch_course(context: ServiceContext, course_id: UUID) -> CourseState | None:
    """A course's state; None where there is no such course."""
    course: CourseState | None = await context.http("courses").get(
        f"/internal/courses/{course_id}", reply=CourseState, missing_ok=True
    )
    return course


async def course_page(context: ServiceContext, cursor: str | None) -> tuple[Sequence[CourseState], str | None]:
    """Some courses, and where the next page begins."""
    page: CoursePage = await context.http("courses").get(
        "/internal/courses", reply=CoursePage, query={"cursor": cursor, "limit": 100}
    )
    return page.courses, page.next_cursor


async def fetch_module(context: ServiceContext, module_id: UUID) -> ModuleState | None:
    """A module's state; None where there is no such module."""
    module: ModuleState | None = await context.http("courses").get(
        f"/internal/modules/{module_id}", reply=ModuleState, missing_ok=True
    )
    return module


async def module_page(context: ServiceContext, cursor: str | None) -> tuple[Sequence[ModuleState], str | None]:
    """Some modules, and where the next page begins."""
    page: ModulePage = await context.http("courses").get(
        "/internal/modules", reply=ModulePage, query={"cursor": cursor, "limit": 100}
    )
    return page.modules, page.next_cursor


async def fetch_lesson(context: ServiceContext, lesson_id: UUID) -> LessonState | None:
    """A lesson's state; None where there is no such lesson."""
    lesson: LessonState | None = await context.http("courses").get(
        f"/internal/lessons/{lesson_id}", reply=LessonState, missing_ok=True
    )
    return lesson


async def lesson_page(context: ServiceContext, cursor: str | None) -> tuple[Sequence[LessonState], str | None]:
    """Some lessons, and where the next page begins."""
    page: LessonPage = await context.http("courses").get(
        "/internal/lessons", reply=LessonPage, query={"cursor": cursor, "limit": 100}
    )
    return page.lessons, page.next_cursor


async def fetch_enrollment(context: ServiceContext, enrollment_id: UUID) -> EnrollmentState | None:
    """An enrolment's state; None where there is no such enrolment."""
    enrollment: EnrollmentState | None = await context.http("enrollments").get(
        f"/internal/enrollments/{enrollment_id}", reply=EnrollmentState, missing_ok=True
    )
    return enrollment


async def enrollment_page(context: ServiceContext, cursor: str | None) -> tuple[Sequence[EnrollmentState], str | None]:
    """Some enrolments, and where the next page begins."""
    page: EnrollmentPage = await context.http("enrollments").get(
        "/internal/enrollments", reply=EnrollmentPage, query={"cursor": cursor, "limit": 100}
    )
    return page.enrollments, page.next_cursor


async def find_enrollment(context: ServiceContext, *, user_id: UUID, course_id: UUID) -> EnrollmentState | None:
    """The enrolment of a person in a course; None where there is none."""
    found: EnrollmentFound = await context.http("enrollments").get(
        "/internal/enrollments/find", reply=EnrollmentFound, query={"userId": user_id, "courseId": course_id}
    )
    return found.enrollment
