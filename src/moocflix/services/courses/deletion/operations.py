"""Deletions that take other things along: a module's lessons, a course's whole structure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from moocflix.contracts.courses import COURSE_DELETION, LESSON_DELETED, MODULE_DELETED, MODULE_UPDATED, LessonState
from moocflix.platform.database.transaction import Tx
from moocflix.platform.errors import Refusal
from moocflix.platform.intents import Intent, Payload
from moocflix.platform.service import ServiceContext
from moocflix.platform.versions import IfMatch, check_version
from moocflix.services.courses import clients
from moocflix.services.courses.course import sql as courses
from moocflix.services.courses.course.model import Viewer, managed
from moocflix.services.courses.deletion.model import Deletion
from moocflix.services.courses.lesson import sql as lessons
from moocflix.services.courses.lesson.model import tombstone
from moocflix.services.courses.module import sql as modules
from moocflix.services.courses.module.model import Module, managed_module

_ANYBODY = Viewer(is_admin=True)


async def delete_module(
    tx: Tx, *, course_id: UUID, module_id: UUID, viewer: Viewer, if_match: IfMatch, now: datetime
) -> Module:
    """Delete a module with its lessons; those behind it move up."""
    course = await courses.lock(tx, course_id=course_id, viewer=viewer)
    found = await modules.find(tx, course_id=course_id, module_id=module_id)
    module = managed_module(course, found, course_id=course_id, module_id=module_id, viewer=viewer)
    check_version(module.version, if_match)
    count = await modules.count(tx, course_id=course_id)
    await _delete_lessons(tx, await lessons.of_course(tx, course_id=course_id, module_id=module_id))
    await _delete_module(tx, module)
    for moved in await modules.shift(tx, course_id=course_id, first=module.position + 1, last=count, by=-1, now=now):
        tx.publish(MODULE_UPDATED, moved.state())
    await courses.recount(tx, course_id=course_id)
    return module


async def start(tx: Tx, payload: Payload) -> None:
    """Take the course out of the catalogue and close it to changes, where the caller may delete it."""
    deletion = Deletion.read(payload)
    course_id, viewer = deletion.course_id, deletion.viewer
    course = managed(await courses.lock(tx, course_id=course_id, viewer=viewer), course_id=course_id, viewer=viewer)
    check_version(course.version, deletion.versions)
    await courses.mark_deletion(tx, course_id=course_id, deletion_id=deletion.deletion_id)


async def call(context: ServiceContext, payload: Payload) -> Any:
    """Have enrollments close the course; it refuses while students are enrolled."""
    deletion = Deletion.read(payload)
    return await clients.close_course(context, course_id=deletion.course_id, force=deletion.force)


async def finish(tx: Tx, payload: Payload, _closed: Any) -> None:
    """Delete the course and all that is in it, each with its tombstone."""
    course_id = Deletion.read(payload).course_id
    course = await courses.lock(tx, course_id=course_id, viewer=_ANYBODY)
    if course is None:
        return
    await _delete_lessons(tx, await lessons.of_course(tx, course_id=course_id))
    for module in await modules.of_course(tx, course_id=course_id):
        await _delete_module(tx, module)
    await courses.delete(tx, course_id=course_id)
    tx.publish(COURSE_DELETION, course.tombstone())


async def undo(tx: Tx, payload: Payload, _refusal: Refusal) -> None:
    """Put the course back into the catalogue, since students are enrolled in it."""
    await courses.mark_deletion(tx, course_id=Deletion.read(payload).course_id, deletion_id=None)


DELETE_COURSE = Intent(name="delete-course", start=start, call=call, finish=finish, undo=undo)


async def _delete_lessons(tx: Tx, doomed: Sequence[LessonState]) -> None:
    await lessons.delete(tx, lesson_ids=[lesson.lesson_id for lesson in doomed])
    for lesson in doomed:
        tx.publish(LESSON_DELETED, tombstone(lesson))


async def _delete_module(tx: Tx, module: Module) -> None:
    await modules.delete(tx, module_id=module.id)
    tx.publish(MODULE_DELETED, module.tombstone())
