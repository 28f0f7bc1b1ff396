"""What courses asks of other services: all instructors, who is enrolled, a video, and a course's closing."""

from collections.abc import Sequence
from uuid import UUID

from moocflix.contracts.content import VIDEO, VideoState
from moocflix.contracts.enrollments import CourseClosed, find_enrollment
from moocflix.contracts.users import USER, UserState
from moocflix.platform.errors import Refusal, TooMany, Unavailable
from moocflix.platform.expiring import ExpiringSet
from moocflix.platform.service import ServiceContext
from moocflix.services.courses.course import sql as courses
from moocflix.services.courses.course.model import Viewer
from moocflix.services.courses.settings import CoursesSettings
from moocflix.services.courses.video.model import VideoUnknown


class Strangers(ExpiringSet[tuple[UUID, UUID]]):
    """Who was not enrolled in which course a moment ago, so that enrollments is not asked again at once."""


async def set_up(context: ServiceContext) -> None:
    """Give the process its memory of strangers."""
    context.keep(Strangers(seconds=context.settings.of(CoursesSettings).stranger_seconds))


async def is_enrolled(context: ServiceContext, viewer: Viewer, *, course_id: UUID) -> bool:
    """Whether enrollments knows the viewer in this course; where it is away, nobody is let in."""
    strangers = context.part(Strangers)
    if viewer.id is None or (viewer.id, course_id) in strangers:
        return False
    try:
        found = await find_enrollment(context, user_id=viewer.id, course_id=course_id)
    except Unavailable:
        return False
    if found is None:
        strangers.add((viewer.id, course_id))
    return found is not None


async def instructor_page(context: ServiceContext, cursor: str | None) -> tuple[Sequence[UserState], str | None]:
    """Those who may teach among the next users, and where the page after begins."""
    users, following = await USER.pages(context, cursor)
    return [user for user in users if user.role != "student"], following


async def fetch_video(context: ServiceContext, video_id: UUID) -> VideoState:
    """A video's state. Raises Invalid where there is no such video, or none of a course that is still here."""
    video = await VIDEO.fetch(context, video_id)
    if video is None or await courses.course(context.database.reader, course_id=video.course_id) is None:
        raise VideoUnknown(video_id)
    return video


async def close_course(context: ServiceContext, *, course_id: UUID, force: bool) -> CourseClosed:
    """Have enrollments close a course for good. Raises Conflict while somebody is enrolled, unless by `force`.

    What is refused is opened again: an earlier close, whose answer was lost, may have gone through.
    """
    enrollments = context.http("enrollments")
    try:
        return await enrollments.post(
            f"/internal/courses/{course_id}/close", {"force": force}, reply=CourseClosed, idempotent=True
        )
    except (TooMany, Unavailable):
        raise
    except Refusal:
        await enrollments.post(f"/internal/courses/{course_id}/reopen", reply=CourseClosed, idempotent=True)
        raise
