"""What courses asks of other services: all instructors, who is enrolled, a video, and a course's closing."""

from collections import OrderedDict
from collections.abc import Sequence
from time import monotonic
from uuid import UUID

from moocflix.contracts.content import VIDEO, VideoState
from moocflix.contracts.enrollments import CourseClosed, EnrollmentFound
from moocflix.contracts.users import USER, UserState
from moocflix.platform.errors import Refusal, TooMany, Unavailable
from moocflix.platform.service import ServiceContext
from moocflix.services.courses.course import sql as courses
from moocflix.services.courses.settings import CoursesSettings
from moocflix.services.courses.video.model import VideoUnknown

_MOST_STRANGERS = 10_000


class Strangers:
    """Who was not enrolled in a course a moment ago, so that enrollments is not asked again at once."""

    def __init__(self, *, seconds: float) -> None:
        """A no counts for so many `seconds`."""
        self._seconds = seconds
        self._until: OrderedDict[tuple[UUID, UUID], float] = OrderedDict()

    def knows(self, user_id: UUID, course_id: UUID) -> bool:
        """Whether enrollments has said no of this person and course lately."""
        return self._until.get((user_id, course_id), 0.0) > monotonic()

    def add(self, user_id: UUID, course_id: UUID) -> None:
        """Remember a no; the oldest is forgotten where there are too many."""
        self._until[user_id, course_id] = monotonic() + self._seconds
        self._until.move_to_end((user_id, course_id))
        if len(self._until) > _MOST_STRANGERS:
            self._until.popitem(last=False)


async def set_up(context: ServiceContext) -> None:
    """Give the process its memory of strangers."""
    context.keep(Strangers(seconds=context.settings.of(CoursesSettings).stranger_seconds))


async def is_enrolled(context: ServiceContext, *, user_id: UUID, course_id: UUID) -> bool:
    """Whether enrollments knows this person in this course; where it is away, nobody is let in."""
    strangers = context.part(Strangers)
    if strangers.knows(user_id, course_id):
        return False
    try:
        found: EnrollmentFound = await context.http("enrollments").get(
            "/internal/enrollments/find", reply=EnrollmentFound, query={"userId": user_id, "courseId": course_id}
        )
    except Unavailable:
        return False
    if found.enrollment is None or found.enrollment.status == "dropped":
        strangers.add(user_id, course_id)
        return False
    return True


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
