"""What courses does on the events of others, and with what it fetches where it cannot wait for them."""

from moocflix.contracts.content import TranscodingCompleted, VideoDeleted, VideoState
from moocflix.contracts.enrollments import EnrollmentState
from moocflix.contracts.users import UserState
from moocflix.platform.clock import utc_now
from moocflix.platform.database.transaction import Tx
from moocflix.platform.events.envelope import Message
from moocflix.services.courses.enrollment import operations as enrollments
from moocflix.services.courses.instructor import operations as instructors
from moocflix.services.courses.lesson import operations as lessons
from moocflix.services.courses.video.model import Video, whole_seconds


async def user_changed(tx: Tx, user: UserState, _message: Message) -> None:
    """Keep the name under which somebody teaches."""
    await instructors.apply_user(tx, user)


async def enrollment_changed(tx: Tx, enrollment: EnrollmentState, _message: Message) -> None:
    """Keep who is enrolled, and count them."""
    await enrollments.apply_enrollment(tx, enrollment)


async def video_transcoded(tx: Tx, video: TranscodingCompleted, message: Message) -> None:
    """Give lessons the duration of the video that they show."""
    seconds = None if video.duration is None or video.outcome == "failed" else whole_seconds(video.duration)
    state = Video(id=video.video_id, course_id=video.course_id, duration=seconds, deleted=False, version=video.version)
    await lessons.apply_video(tx, video=state, now=message.time)


async def video_deleted(tx: Tx, video: VideoDeleted, message: Message) -> None:
    """Take a video out of the lessons that show it."""
    state = Video(id=video.video_id, course_id=video.course_id, duration=None, deleted=True, version=video.version)
    await lessons.apply_video(tx, video=state, now=message.time)


async def video_fetched(tx: Tx, video: VideoState) -> None:
    """Keep a video of which no event has told yet."""
    await lessons.apply_video(tx, video=Video.of(video), now=utc_now())
