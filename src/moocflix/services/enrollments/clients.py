"""What enrollments asks of other services: the state of a course or a user whose copy is missing, and pages of all."""

from collections.abc import Sequence
from uuid import UUID

from moocflix.contracts.courses import CoursePage, CourseState
from moocflix.contracts.users import UserPage, UserState
from moocflix.platform.service import ServiceContext
from moocflix.services.enrollments.course.model import CourseNotFound


async def fetch_course(context: ServiceContext, course_id: UUID) -> CourseState | None:
    """A course's state; None where there is no such course."""
    course: CourseState | None = await context.http("courses").get(
        f"/internal/courses/{course_id}", reply=CourseState, missing_ok=True
    )
    return course


async def fetch_published(context: ServiceContext, course_id: UUID) -> CourseState:
    """The state of a course that the copy has as a draft. Raises CourseNotFound where its owner has it so, too."""
    course = await fetch_course(context, course_id)
    if course is None or course.status != "published":
        raise CourseNotFound(course_id)
    return course


async def course_page(context: ServiceContext, cursor: str | None) -> tuple[Sequence[CourseState], str | None]:
    """Some courses, and where the next page begins."""
    page: CoursePage = await context.http("courses").get(
        "/internal/courses", reply=CoursePage, query={"cursor": cursor, "limit": 100}
    )
    return page.courses, page.next_cursor


async def fetch_user(context: ServiceContext, user_id: UUID) -> UserState | None:
    """A user's state; None where there is no such user."""
    user: UserState | None = await context.http("users").get(
        f"/internal/users/{user_id}", reply=UserState, missing_ok=True
    )
    return user


async def user_page(context: ServiceContext, cursor: str | None) -> tuple[Sequence[UserState], str | None]:
    """Some users, and where the next page begins."""
    page: UserPage = await context.http("users").get(
        "/internal/users", reply=UserPage, query={"cursor": cursor, "limit": 100}
    )
    return page.users, page.next_cursor
