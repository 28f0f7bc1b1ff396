"""Setting the order of a whole course at once."""

from datetime import datetime
from uuid import UUID

from moocflix.contracts.courses import LESSON_UPDATED, MODULE_UPDATED
from moocflix.platform.database.transaction import Tx
from moocflix.platform.versions import IfMatch, check_version
from moocflix.services.courses.course import sql as courses
from moocflix.services.courses.course.model import Viewer, managed
from moocflix.services.courses.lesson import sql as lessons
from moocflix.services.courses.module import sql as modules
from moocflix.services.courses.structure.model import Order, check_order, lesson_places, module_positions


async def arrange(tx: Tx, *, course_id: UUID, viewer: Viewer, order: Order, if_match: IfMatch, now: datetime) -> None:
    """Bring modules and lessons into this order; a lesson may change its module. What stays in place is untouched."""
    managed(await courses.lock(tx, course_id=course_id, viewer=viewer), course_id=course_id, viewer=viewer)
    check_version(await courses.structure_version(tx, course_id=course_id), if_match)
    check_order(
        order,
        modules=[module.id for module in await modules.of_course(tx, course_id=course_id)],
        lessons=[lesson.lesson_id for lesson in await lessons.of_course(tx, course_id=course_id)],
    )
    moved_modules = await modules.arrange(tx, course_id=course_id, positions=module_positions(order), now=now)
    moved_lessons = await lessons.arrange(tx, course_id=course_id, places=lesson_places(order), now=now)
    for module in moved_modules:
        tx.publish(MODULE_UPDATED, module.state())
    for lesson in moved_lessons:
        tx.publish(LESSON_UPDATED, lesson)
    if moved_modules or moved_lessons:
        await courses.recount(tx, course_id=course_id)
